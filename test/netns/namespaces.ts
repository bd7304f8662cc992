/**
 * A shop's network in network namespaces of its own, made and removed by the test:
 *
 *     appliance ─┐
 *     till ──────┤ switch ── router ── outside
 *
 * The router is whatever a test makes of it: a plain router, a gateway that hides who asks, one that lies about prefixes.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { bareNode } from '../support/environment.ts'

export const MACHINES = ['appliance', 'till', 'router', 'outside', 'switch'] as const
export type Machine = (typeof MACHINES)[number]

export const LAN = '192.168.77.0/24'
export const APPLIANCE = '192.168.77.2'
export const TILL = '192.168.77.20'
/** As TEST-NET-2 (RFC 5737). */
export const OUTSIDE = '198.51.100.9'
export const PORT = 8443

const HELPER = fileURLToPath(new URL('./packets.py', import.meta.url))
const PYTHON = process.env.CLAVIGER_PYTHON ?? 'python3'

/** Whether there can be namespaces here. Where not, the test is skipped visibly; with `CI` set it fails. */
export function needNamespaces(t: Test): boolean {
  const reason = whyNot()
  if (reason && process.env.CI) t.fail(reason)
  else if (reason) void t.test('a network in namespaces', { skip: reason }, () => {})
  return reason === ''
}

function whyNot(): string {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'network namespaces need root on Linux'
  const missing = ['ip', 'nft', PYTHON].filter(program => spawnSync(program, ['-V']).error)
  if (missing.length > 0) return `not installed: ${missing.join(', ')}`
  // Root in a container may not be allowed to.
  const probe = `clv-${process.pid}-probe`
  const { status, stderr } = spawnSync('ip', ['netns', 'add', probe], { encoding: 'utf8' })
  spawnSync('ip', ['netns', 'del', probe])
  return status === 0 ? '' : `no network namespaces here: ${stderr.trim()}`
}

/** What somebody on the wire received from the appliance's port. */
export interface Captured {
  /** Packets of any kind whose source is the appliance's address or port. */
  packets: number
  /** Bytes of TCP payload. */
  payload: number
  synAcks: number
  resets: number
}

export class Shop {
  readonly #prefix: string
  readonly #children = new Set<ChildProcess>()

  private constructor(prefix: string) {
    this.#prefix = prefix
  }

  /** Makes the network; removed when the test ends. */
  static build(t: Test, name: string): Shop {
    const shop = new Shop(`clv-${process.pid}-${name}`)
    const remove = () => shop.#remove()
    process.once('exit', remove)
    t.teardown(() => {
      process.off('exit', remove)
      remove()
    })
    for (const machine of MACHINES) execFileSync('ip', ['netns', 'add', shop.name(machine)])
    const off =
      'net.ipv4.conf.all.promote_secondaries=1 net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0'
    const loose = 'net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0'
    for (const machine of MACHINES) shop.sh(machine, `sysctl -qw ${off} ${loose}; ip link set lo up`)
    const cable = (machine: Machine, link: string, end: string) =>
      shop.sh(machine, `ip link add ${link} type veth peer name ${end} netns ${shop.name('switch')}`)
    cable('appliance', 'eth0', 'port0')
    cable('till', 'eth0', 'port1')
    cable('router', 'lan0', 'port2')
    shop.sh('router', `ip link add wan0 type veth peer name eth0 netns ${shop.name('outside')}`)
    // Frames that only cross the switch are no business of its packet filter.
    shop.sh(
      'switch',
      'sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 || true',
    )
    shop.sh('switch', 'ip link add br0 type bridge mcast_snooping 0; ip link set br0 up')
    shop.sh('switch', 'for p in port0 port1 port2; do ip link set $p master br0 up; done')
    shop.sh('appliance', `ip addr add ${APPLIANCE}/24 dev eth0; ip link set eth0 up`)
    shop.sh('till', `ip addr add ${TILL}/24 dev eth0; ip link set eth0 up`)
    shop.sh('router', 'ip addr add 192.168.77.1/24 dev lan0; ip link set lan0 up')
    shop.sh('router', 'ip addr add 198.51.100.1/24 dev wan0; ip link set wan0 up')
    shop.sh('router', 'sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1')
    shop.sh('outside', `ip addr add ${OUTSIDE}/24 dev eth0; ip link set eth0 up`)
    // As a lease would tell: what may leave must not depend on there being no way out.
    for (const machine of ['appliance', 'till'] as const)
      shop.sh(machine, 'ip route add default via 192.168.77.1')
    shop.sh('outside', 'ip route add default via 198.51.100.1')
    return shop
  }

  /** The namespace of a machine. */
  name(machine: Machine): string {
    return `${this.#prefix}-${machine}`
  }

  /** Runs a line of shell on a machine, with text as its input. */
  sh(machine: Machine, line: string, input = ''): string {
    return execFileSync('ip', ['netns', 'exec', this.name(machine), 'sh', '-ec', line], {
      input,
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'pipe'],
    })
  }

  /** Starts a program on a machine; ended with the test. */
  spawn(machine: Machine, command: string, args: string[]): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.name(machine), command, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
    return child
  }

  /** Runs one of the helper's commands (`packets.py`) to its end. */
  async packets(machine: Machine, ...args: string[]): Promise<string> {
    const child = this.spawn(machine, PYTHON, [HELPER, ...args])
    let said = ''
    child.stdout!.on('data', chunk => {
      said += chunk
    })
    const [code] = await once(child, 'close')
    if (code !== 0) throw new Error(`packets.py ${args.join(' ')} ended with ${code}`)
    return said
  }

  /** Counts what comes in on `eth0` from the appliance's port until it is asked for. */
  async capture(machine: Machine): Promise<() => Promise<Captured>> {
    const child = this.spawn(machine, PYTHON, [HELPER, 'capture', 'eth0', String(PORT)])
    const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
    await lines.next()
    return async () => {
      child.stdin!.end()
      return JSON.parse((await lines.next()).value as string)
    }
  }

  /** A program of ours on a machine (`client-end.ts`, `attack-end.ts`): one command a line, one answer a line. */
  end<Command, Answer>(machine: Machine, script: string): (command: Command) => Promise<Answer> {
    const child = this.spawn(machine, ...bareNode(fileURLToPath(new URL(script, import.meta.url))))
    const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
    let turn: Promise<unknown> = Promise.resolve()
    return command => {
      child.stdin!.write(`${JSON.stringify(command)}\n`)
      const answer = turn.then(async () => JSON.parse((await lines.next()).value as string) as Answer)
      turn = answer
      return answer
    }
  }

  /** All addresses of an interface that are not link-local, or only those that are. */
  addresses6(machine: Machine, link: string, scope: 'global' | 'link'): string[] {
    const shown = this.sh(machine, `ip -6 -o addr show dev ${link} scope ${scope}`)
    return [...shown.matchAll(/inet6 ([0-9a-f:]+)/g)].map(([, address]) => address!)
  }

  #remove(): void {
    for (const child of this.#children) child.kill('SIGKILL')
    for (const machine of MACHINES) spawnSync('ip', ['netns', 'del', this.name(machine)])
  }
}
