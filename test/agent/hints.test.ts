/** What the manual says about a message is about a message that there is. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { HostAgent } from '../../host-agent/agent/agent.ts'
import { whyUnreachable } from '../../host-agent/client/host-line.ts'
import { localWires } from '../../host-agent/client/local-wires.ts'
import { pinned } from '../../host-agent/client/tls.ts'
import { tunnelWire } from '../../host-agent/client/tunnel.ts'
import { unreachable } from '../../host-agent/client/wire.ts'
import { temporaryDirectory } from '../support/appliance.ts'

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/when-it-does-not-answer.md'), 'utf8')
/** Bold code is a message. */
const DESCRIBED = [...PAGE.matchAll(/\*\*`([^`]+)`\*\*/g)].map(([, message]) => message!)

/** Whether a message is the one that is described, with something in the place of what is in capitals. */
const is = (message: string, described: string) =>
  new RegExp(`^${described.replace(/[()]/g, '\\$&').replace(/[A-Z]{4,}/g, '.+')}$`).test(message)

async function messageOf(attempt: unknown): Promise<{ message: string; hint?: string }> {
  try {
    const value = await (typeof attempt === 'function' ? attempt() : attempt)
    return value as Error
  } catch (error) {
    return error as Error
  }
}

t.test(
  'When something keeps a device from answering, then its message is in the manual, and has a hint',
  async t => {
    const home = await temporaryDirectory()
    t.teardown(() => home.remove())
    const open = localWires({ CLAVIGER_HOME: home.path })
    const agent = new HostAgent({
      directory: home.path,
      ports: ['/nowhere/a', '/nowhere/b'],
      watch: () => ({ stop: async () => {}, refresh: () => {} }),
      tell: () => {},
    })
    t.teardown(() => agent.stop())
    const failures: Record<string, unknown> = {
      'no such port': whyUnreachable('/dev/ttyACM9', new Error('No such file or directory, cannot open')),
      'no right': whyUnreachable('/dev/ttyACM9', new Error('Error: Permission denied, cannot open')),
      held: whyUnreachable(
        '/dev/ttyACM9',
        new Error('Error Resource temporarily unavailable Cannot lock port'),
      ),
      silent: whyUnreachable('/dev/ttyACM9', new Error('nothing answers on the line')),
      'on the LAN': unreachable('https://192.168.1.5:8443'),
      'no dongle': async () => (await open('usb:')).open(),
      'no such dongle': async () => (await open('usb:0123456789abcdef')).open(),
      'several dongles': () => agent.open({}),
      'no such dongle at the agent': () => agent.open({ serial: '0123456789abcdef' }),
      'no agent any more': () => tunnelWire(join(home.path, 'none'), 'only', 'usb:').open(),
      'another device': async () => pinned(new Uint8Array(32))(new Uint8Array(32).fill(1)),
    }
    for (const [what, failure] of Object.entries(failures)) {
      const { message, hint } = await messageOf(failure)
      t.ok(
        DESCRIBED.some(described => is(message, described)),
        `${what}: ${message}`,
      )
      t.ok(hint, `${what}: what to do`)
    }
  },
)

t.test('When the manual quotes a message, then the code has it', t => {
  const code = [
    ...[
      'client/connect',
      'client/caller',
      'client/handshake',
      'client/host-line',
      'client/local-wires',
      'client/own-socket',
      'client/tls',
      'client/tunnel',
    ],
    ...['client/wire', 'client/witness', 'agent/agent', 'agent/tunnel-server'],
  ].map(name => readFileSync(join(import.meta.dirname, `../../host-agent/${name}.ts`), 'utf8'))
  const all = code.join('\n').replace(/\$\{[^}]*\}/g, 'X')
  t.ok(DESCRIBED.length > 12)
  for (const message of DESCRIBED) {
    const parts = message
      .split(/ ?(?:[A-Z]{4,}|\(process NUMBER\)|another program) ?/)
      .filter(part => part.length > 8)
    for (const part of parts) t.ok(all.includes(part), `${message}: ${part}`)
  }
  t.end()
})
