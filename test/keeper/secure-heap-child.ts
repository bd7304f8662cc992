/**
 * A process that holds keys as the keeper does, and prints as JSON how many bytes of OpenSSL's secure heap are in use at
 * each moment. Start it with the flags of the keeper.
 */

import { generateKeyPairSync, randomBytes, secureHeapUsed } from 'node:crypto'
import { stretch } from '../../appliance/gate/stretch.ts'
import { makeAuthority } from '../../appliance/keeper/enrolment.ts'
import { addKey, addLegacyKey } from '../../appliance/keeper/registry.ts'
import { type SealedState, STATE_FORMAT, wipeState } from '../../appliance/keeper/sealed-state.ts'
import { type Unlocked, unlock } from '../../appliance/keeper/unlocked.ts'
import { Vault } from '../../appliance/keeper/vault.ts'
import { generatePrivateKey } from '../../protocol/envelope/keys.ts'
import { openLegacy } from '../../protocol/envelope/legacy.ts'
import { Disk, processOf } from './keystore-disk.ts'
import { floor, typed } from './keystore-factors.ts'

const gc = globalThis.gc!
const used = () => secureHeapUsed()!.used
const figures: Record<string, unknown> = { total: secureHeapUsed()!.total, start: used() }

function newState(suites: readonly ('x' | 'p' | 'q')[]): SealedState {
  const keys = suites.map((suite, i) => {
    const { pkcs8 } = generatePrivateKey(suite)
    return { name: `key-${i}`, suite, versions: [{ version: 1, created: 1, pkcs8 }] }
  })
  const { privateKey } = generateKeyPairSync('ed25519')
  return {
    format: STATE_FORMAT,
    authority: makeAuthority('default').pkcs8,
    log: privateKey.export({ type: 'pkcs8', format: 'der' }),
    keys,
    agents: [],
    invitations: [],
    grants: [],
    recipients: [],
    canaries: [],
  }
}

/** An imported key of the largest size. */
function newLegacyState(): SealedState {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 4096 })
  const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' })
  const form = { padding: 'pkcs1' as const, separator: '\t', fields: ['card.number'] }
  return addLegacyKey('old', pkcs8, form, 1)(newState([]))
}

/** In a function of its own, so that nothing of it is held afterwards. */
function openOnce({ keys }: Unlocked): void {
  const { privateKey } = keys.get('old')!.versions.get(1)!
  if (privateKey.suite !== 'rsa') return
  try {
    openLegacy({ privateKey, ciphertext: new Uint8Array(512).fill(1) })
  } catch {
    // It is no ciphertext; what counts is that the key was used.
  }
}

/** Runs the random generator, which keeps its own state there, and frees what making keys left. */
const states = {
  authority: newState([]),
  x: newState(['x']),
  p: newState(['p']),
  q: newState(['q']),
  rsa: newLegacyState(),
}
randomBytes(1)
gc()
figures.idle = used()

let held: Unlocked | null = null
for (const [name, state] of Object.entries(states)) {
  held = unlock('default', state)
  wipeState(state)
  if (name === 'rsa') openOnce(held)
  gc()
  figures[name] = used()
  held = null
  gc()
  figures[`${name} forgotten`] = used()
}
void held

const disk = new Disk()
const vault = await Vault.load({
  ...{ storage: disk.storage(), namespace: 'default', floor, processes: processOf('a'), collect: gc },
})
const factors = [typed('passphrase', 'correct horse')]
const publicPart = { authority: new Uint8Array(1), log: new Uint8Array(1) }
await vault.create({ id: 'admin', kind: 'passphrase', factors }, publicPart, newState([]))
vault.lock()
await vault.unlock('admin', factors)
const updates: number[] = []
for (let i = 0; i < 5; i++) {
  await vault.update(addKey(`key-${i}`, 'x', generatePrivateKey('x').pkcs8, 1))
  gc()
  updates.push(used())
}
const unchanged: number[] = []
for (let i = 0; i < 20; i++) {
  await vault.update(state => state)
  unchanged.push(used())
}
vault.lock()
figures.updates = updates
figures.unchanged = [...new Set(unchanged)]
figures.locked = used()

const salt = new Uint8Array(16)
figures.argon2 = await stretch('pin', new TextEncoder().encode('2468'), { m: 65_536, t: 3, p: 1, salt }).then(
  () => 'stretched',
  error => error.cause.message,
)
process.stdout.write(JSON.stringify(figures))
