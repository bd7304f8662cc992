/** The keeper process: the namespaces of one device, their files, its socket. */
import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { ClavigerError } from '../../protocol/api/errors.ts'
import { readProvision } from '../provision.ts'
import { systemClock } from './clock.ts'
import { Device } from './device.ts'
import { COST_FLOOR } from './keystore/factors.ts'
import { Panel } from './panel/panel.ts'
import { Presence } from './panel/presence.ts'
import type { Params } from './rpc/messages.ts'
import { RpcServer } from './rpc/server.ts'

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    socket: { type: 'string' },
    'device-secret': { type: 'string' },
    provision: { type: 'string' },
    /** Directory of the device's light, such as `/sys/class/leds/ACT`. */
    led: { type: 'string' },
    /** Node of the device's button, such as `/dev/input/event0`. */
    button: { type: 'string' },
    /** `namespace=generation`: takes a keystore although the log has seen a later one. */
    'accept-generation': { type: 'string', multiple: true, default: [] },
    /** The least argon2id memory of new slots in KiB; tests only, a device uses the default. */
    'argon2-memory': { type: 'string' },
  },
})

function fail(message: string, hint?: string): never {
  process.stderr.write(`claviger-keeper: ${message}\n${hint ? `hint: ${hint}\n` : ''}`)
  process.exit(1)
}

const { data, socket, 'device-secret': secretPath, provision: provisionPath } = values
if (!data || !socket || !secretPath) fail('--data, --socket and --device-secret are needed')

const deviceSecret = await readFile(secretPath).catch(error =>
  fail(`the device secret cannot be read: ${error.message}`),
)
if (deviceSecret.length !== 32) fail('the device secret must be 32 bytes')

const card = provisionPath ? await readProvision(provisionPath).catch(error => fail(error.message)) : null
const memory = values['argon2-memory']
const { led, button } = values
const clock = systemClock()
const presence = new Presence(button !== undefined)
const panel = new Panel({ led, button, presence, clock })
const device = await Device.open({
  data,
  provisions: card?.namespaces ?? new Map(),
  deviceSecret,
  clock,
  presence,
  floor: memory ? { ...COST_FLOOR, m: Number(memory) } : undefined,
  collect: globalThis.gc,
  acceptGeneration: new Map(values['accept-generation'].map(readAccepted)),
}).catch(async error => {
  await panel.fail()
  return fail(error.message, error instanceof ClavigerError ? error.hint : undefined)
})

function readAccepted(text: string): [string, number] {
  const [namespace = '', generation = ''] = text.split('=')
  if (!/^\d+$/.test(generation)) fail('--accept-generation takes NAMESPACE=GENERATION')
  return [namespace, Number(generation)]
}

/**
 * So many fields make a keeper busy; one that is not does without the memory of the optimising compilers. Where memory can
 * never become code (`--jitless`, as on the device), turning them on would end the process.
 */
const BUSY_AFTER = process.execArgv.includes('--jitless') ? 0 : 500
let opened = 0
const server = new RpcServer(
  (method, caller, params) => {
    if (method === 'decrypt' && opened < BUSY_AFTER) {
      opened += (params as Params<'decrypt'>).items.length
      if (opened >= BUSY_AFTER) for (const flag of ['--opt', '--maglev']) setFlagsFromString(flag)
    }
    return device.handle(method, caller, params)
  },
  () => device.greeting(),
)
device.on('trust', params => server.emit('trust', params))
device.on('revoked', params => server.emit('revoked', params))
device.on('touch', params => server.emit('touch', params))
await server.listen(socket)
panel.attach(device)
process.stdout.write(`${[...new Set(device.keepers.map(({ state }) => state))].join(', ')}\n`)

for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.once(signal, async () => {
    panel.close()
    await server.close()
    await device.close()
    process.exit(0)
  })
