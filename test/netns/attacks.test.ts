/**
 * One machine on the LAN attacks while an enrolled till works: the till hardly notices, and nothing is left of it afterwards. The
 * packet filter is off, so that the service's own limits stand alone. docs/lan.md, "Limits".
 */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Attack, Attacked } from './attack-end.ts'
import { APPLIANCE, needNamespaces } from './namespaces.ts'
import { ANSWERED, clientOn, operate, outcome } from './operating.ts'

t.setTimeout(180_000)

/** Ms of an attack, and of the peace before and after it that it is compared with. */
const LASTS = 2500
const PEACE = 1250
const EVERY = 10
/** The machine's other work makes noise too: what holds in one round of these holds. */
const ROUNDS = 3
/** Looks, 100 ms apart, until all is released. */
const RELEASE_LOOKS = 100

const ATTACKS: [name: string, attack: Pick<Attack, 'kind' | 'at' | 'rate'>, addresses?: number][] = [
  ['10,000 connections', { kind: 'knocking', at: 500, rate: 10_000 / (LASTS / 1000) }],
  ['slow-loris with 1,000 sockets', { kind: 'loris', at: 1000, rate: 1000 }],
  ['1,000 half-open handshakes', { kind: 'halfOpen', at: 1000, rate: 1000 }],
  ['what is no handshake', { kind: 'noise', at: 100, rate: 1000 }],
  ['handshakes of nobody', { kind: 'nobody', at: 100, rate: 1000 }],
  ['handshakes of nobody from 50 addresses', { kind: 'nobody', at: 100, rate: 1000 }, 50],
  ['heads of 256 KiB, with a stolen certificate', { kind: 'largeHead', at: 100, rate: 1000 }],
  ['heads that never end, with a stolen certificate', { kind: 'slowHead', at: 1000, rate: 1000 }],
  ['second handshakes, with a stolen certificate', { kind: 'again', at: 100, rate: 1000 }],
]

if (needNamespaces(t)) t.test('an appliance that is attacked', run)

async function run(t: Test): Promise<void> {
  const operating = await operate(t, 'att')
  const { shop, processes, till: profile } = operating
  const till = clientOn(operating, 'till')
  const coming = clientOn(operating, 'till')
  const attacker = shop.end<Attack, Attacked>('router', './attack-end.ts')
  const gate = processes.pidOf('gate')
  const memory = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${gate}/status`, 'utf8'))![1]) / 1024
  const descriptors = () => readdirSync(`/proc/${gate}/fd`).length

  /** The till asks all the time; another program on it comes and goes. */
  const working = async (lasts: number) => {
    const [asked, came] = await Promise.all([
      till({ host: APPLIANCE, every: EVERY, times: lasts / EVERY }),
      coming({ host: APPLIANCE, every: 200, times: lasts / 200, fresh: true }),
    ])
    t.same(outcome(asked), ANSWERED, 'every request was answered')
    t.same(outcome(came), ANSWERED, 'on new connections too')
    return asked.latencies
  }
  await working(LASTS)
  let before = await working(PEACE)
  const usual = { memory: memory(), descriptors: descriptors() }
  t.comment(`${usual.memory.toFixed(0)} MiB before all`)

  let last = 100
  for (const [name, attack, addresses = 1] of ATTACKS)
    await t.test(`When there are ${name}, then the till works as ever`, async t => {
      // Each from an address of its own: the one before has to wait by now.
      const from = Array.from({ length: addresses }, () => `192.168.77.${last++}`)
      shop.sh('router', from.map(address => `ip addr add ${address}/24 dev lan0`).join(';'))
      let most = 0
      const watching = setInterval(() => {
        most = Math.max(most, memory())
      }, 100)
      t.teardown(() => clearInterval(watching))
      let slower = Number.POSITIVE_INFINITY
      for (let round = 0; round < ROUNDS && slower > 3; round++) {
        const attacking = attacker({ ...attack, host: APPLIANCE, from, lasts: LASTS, profile })
        const times = await working(LASTS)
        const { begun, received } = await attacking
        const after = await working(PEACE)
        const quiet = [...before, ...after]
        before = after
        slower = quantile(times, 0.99) / quantile(quiet, 0.99)
        t.comment(
          `${begun} begun, ${received} bytes back; quiet: ${figures(quiet)}; attacked: ${figures(times)}`,
        )
      }
      t.comment(`p99 ${slower.toFixed(2)} x quiet`)
      t.comment(`at most ${most.toFixed(0)} MiB: ${(most / usual.memory).toFixed(2)} x quiet`)
      t.ok(slower <= 3, 'p99 within 3 x')
      t.ok(most <= 1.5 * usual.memory, 'memory within 1.5 x')
    })

  await t.test('When all is over, then everything is released', async t => {
    // sockets are closed when their ends have been heard of
    for (let i = 0; i < RELEASE_LOOKS && descriptors() !== usual.descriptors; i++) await pause(100)
    t.comment(`${memory().toFixed(0)} MiB, ${descriptors()} descriptors of ${usual.descriptors}`)
    t.equal(descriptors(), usual.descriptors)
  })
}

function figures(times: number[]): string {
  return `p50 ${quantile(times, 0.5).toFixed(1)} ms, p99 ${quantile(times, 0.99).toFixed(1)} ms`
}

function quantile(values: number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN
}
