/** The keeper process: one namespace, its file, its socket. */
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { ClavigerError } from '../../protocol/api/errors.ts'
import { readProvision } from '../provision.ts'
import { Keeper } from './keeper.ts'
import { COST_FLOOR } from './keystore/factors.ts'
import { directoryStorage } from './keystore/storage.ts'
import type { Params } from './rpc/messages.ts'
import { RpcServer } from './rpc/server.ts'
import { Vault } from './vault.ts'

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    socket: { type: 'string' },
    namespace: { type: 'string', default: 'default' },
    'device-secret': { type: 'string' },
    provision: { type: 'string' },
    /** The least argon2id memory of new slots in KiB; tests only, a device uses the default. */
    'argon2-memory': { type: 'string' },
  },
})

function fail(message: string, hint?: string): never {
  process.stderr.write(`claviger-keeper: ${message}\n${hint ? `hint: ${hint}\n` : ''}`)
  process.exit(1)
}

const { data, socket, namespace, 'device-secret': secretPath, provision: provisionPath } = values
if (!data || !socket || !secretPath) fail('--data, --socket and --device-secret are needed')

const deviceSecret = await readFile(secretPath).catch(error =>
  fail(`the device secret cannot be read: ${error.message}`),
)
if (deviceSecret.length !== 32) fail('the device secret must be 32 bytes')

const directory = join(data, 'keystore')
await mkdir(directory, { recursive: true, mode: 0o700 })
const memory = values['argon2-memory']
const vault = await Vault.load({
  storage: directoryStorage(directory),
  namespace,
  floor: memory ? { ...COST_FLOOR, m: Number(memory) } : undefined,
  collect: globalThis.gc,
}).catch(error => fail(error.message, error instanceof ClavigerError ? error.hint : undefined))
const provision = provisionPath
  ? await readProvision(provisionPath).catch(error => fail(error.message))
  : null

const keeper = new Keeper({ vault, provision, deviceSecret, clock: Date.now })
/** So many fields make a keeper busy; one that is not does without the memory of the optimising compilers. */
const BUSY_AFTER = 500
let opened = 0
const server = new RpcServer(
  (method, caller, params) => {
    if (method === 'decrypt' && opened < BUSY_AFTER) {
      opened += (params as Params<'decrypt'>).items.length
      if (opened >= BUSY_AFTER) for (const flag of ['--opt', '--maglev']) setFlagsFromString(flag)
    }
    return keeper.handle(method, caller, params)
  },
  () => ({ trust: keeper.trust() }),
)
keeper.on('trust', params => server.emit('trust', params))
keeper.on('revoked', params => server.emit('revoked', params))
await server.listen(socket)
process.stdout.write(`${keeper.state}\n`)

for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.once(signal, async () => {
    await server.close()
    await vault.close()
    process.exit(0)
  })
