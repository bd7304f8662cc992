/** A keeper in this process, without a gate: what the figures compare the whole appliance with, and its log with none. */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { directoryFiles, type LogFiles } from '../../appliance/keeper/audit/files.ts'
import { AuditLog } from '../../appliance/keeper/audit/log.ts'
import { Chronicle } from '../../appliance/keeper/chronicle.ts'
import { systemClock } from '../../appliance/keeper/clock.ts'
import { Keeper } from '../../appliance/keeper/keeper.ts'
import { directoryStorage } from '../../appliance/keeper/keystore/storage.ts'
import { originOf } from '../../appliance/keeper/log-key.ts'
import type { Caller, Item, NewTyped, Params } from '../../appliance/keeper/rpc/messages.ts'
import type { SealedAgent } from '../../appliance/keeper/sealed-state.ts'
import type { Unlocked } from '../../appliance/keeper/unlocked.ts'
import { Vault } from '../../appliance/keeper/vault.ts'
import { parseProvision } from '../../appliance/provision.ts'
import { makeCard } from '../../host-agent/client/card.ts'
import { sealField } from '../../protocol/envelope/field.ts'
import { parsePublicKey } from '../../protocol/envelope/token.ts'
import { WIDE } from '../support/appliance.ts'

export const FIELD = 'card.number'
export const PURPOSE = 'charge'

export const seal = (publicKey: string, record: string) =>
  sealField(parsePublicKey(publicKey), { field: FIELD, record }, Buffer.from('4242424242424242'))

/** An operational keeper with one key, and one operator with a wide grant and a budget that is never used up. */
export interface LocalKeeper {
  unlocked: Unlocked
  agent: SealedAgent
  /** Of the key, suite x. */
  publicKey: string
  /** Items that open, one for each record. */
  items(records: readonly string[]): Item[]
  /** One request, from the admission to the values; rejects when one did not open. */
  decrypt(items: readonly Item[]): Promise<void>
}

/**
 * @param parent - where the keystore and the log are, for as long as `use` runs
 * @param files - stands between the log and its files
 */
export async function withKeeper<T>(
  parent: string,
  use: (keeper: LocalKeeper) => Promise<T>,
  files = (real: LogFiles) => real,
): Promise<T> {
  const data = await mkdtemp(join(parent, 'clv-'))
  const { namespaces } = parseProvision(makeCard('owner', 'bench').provisionJson)
  for (const name of ['keystore', 'audit']) await mkdir(join(data, name))
  const vault = await Vault.load({
    storage: directoryStorage(join(data, 'keystore')),
    namespace: 'default',
    floor: { m: 8, t: 1 },
  })
  const clock = systemClock()
  const log = await AuditLog.open({
    directory: join(data, 'audit'),
    origin: originOf('default'),
    clock,
    files: files(directoryFiles(join(data, 'audit'))),
  })
  const provision = namespaces.get('default')!
  const parts = { vault, log, chronicle: new Chronicle(), provision, deviceSecret: randomBytes(32), clock }
  const keeper = new Keeper(parts)
  try {
    const { pin } = provision
    const caller = (role: string, name: string, pin: Uint8Array, by = 'authority'): Caller => ({
      ...{ pin, namespace: 'default', role, name },
      issuer: { namespace: 'default', role: by, name: 'claviger' },
    })
    const owner = caller('administrator', 'owner', pin)
    const passphrase: NewTyped = { output: randomBytes(32), m: 8, t: 1, p: 1, salt: new Uint8Array(16) }
    await keeper.handle('provision', caller('administrator', 'owner', pin, 'administrator'), { passphrase })
    const { versions } = await keeper.handle('createKey', owner, { name: 'orders', suite: 'x' })
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const till = caller('operator', 'till-1', pinOf(publicKey.export({ type: 'spki', format: 'der' })))
    const agent: SealedAgent = {
      name: till.name,
      role: 'operator',
      pin: till.pin,
      since: 0,
      unattended: false,
    }
    await vault.update(state => ({ ...state, agents: [...state.agents, agent] }))
    const budgets = [{ per: 'day' as const, records: 100_000, operations: null, alarm: false }]
    await keeper.handle('addGrant', owner, { ...WIDE, budgets, agent: till.name, key: 'orders' })
    return await use({
      unlocked: vault.unlocked!,
      agent,
      publicKey: versions[0]!.publicKey,
      items: records =>
        records.map(record => [seal(versions[0]!.publicKey, record), FIELD, record, 'full', 0] as Item),
      decrypt: async items => {
        const params: Params<'decrypt'> = { purpose: PURPOSE, reason: '', items: [...items] }
        const { opened } = await keeper.handle('decrypt', till, params)
        if (!opened.every(value => value instanceof Uint8Array)) throw new Error('a field did not open')
      },
    })
  } finally {
    await log.close()
    await vault.close()
    await rm(data, { recursive: true, force: true })
  }
}

function pinOf(spki: Buffer): Uint8Array {
  return Uint8Array.from(spki.subarray(-32))
}
