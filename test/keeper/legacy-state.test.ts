/** Imported keys in the locked file: what an older file reads as, and what a power cut during an import leaves. */
import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { retire, setMinimum, undelete } from '../../appliance/keeper/key-changes.ts'
import { addKey, addLegacyKey, addVersion } from '../../appliance/keeper/registry.ts'
import {
  decodeState,
  encodeState,
  type SealedState,
  STATE_FORMAT,
} from '../../appliance/keeper/sealed-state.ts'
import { Tickets } from '../../appliance/keeper/tickets.ts'
import { Vault } from '../../appliance/keeper/vault.ts'
import { KEY_USES } from '../../protocol/api/routes.ts'
import { type Cbor, encodeCbor } from '../../protocol/cbor.ts'
import { generatePrivateKey } from '../../protocol/envelope/keys.ts'
import { Disk, processOf } from './keystore-disk.ts'
import { floor, typed } from './keystore-factors.ts'

const ADMIN = [typed('passphrase', 'correct horse')]
const FORM = { padding: 'pkcs1' as const, separator: '\t', fields: ['', 'card.number'] }
const derOf = (type: 'ec' | 'ed25519' | 'rsa'): Buffer => {
  const { privateKey } =
    type === 'rsa'
      ? generateKeyPairSync('rsa', { modulusLength: 1024 })
      : type === 'ec'
        ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
        : generateKeyPairSync('ed25519')
  return privateKey.export({ type: 'pkcs8', format: 'der' })
}
const PKCS8 = derOf('rsa')
const importing = () => addLegacyKey('old', Uint8Array.from(PKCS8), FORM, 7)
const newState = (): SealedState => ({
  format: STATE_FORMAT,
  authority: derOf('ec'),
  log: derOf('ed25519'),
  keys: [],
  agents: [],
  invitations: [],
  grants: [],
  recipients: [],
  canaries: [],
})
let boots = 0
const place = (disk: Disk) => ({
  ...{ storage: disk.storage(), namespace: 'default', floor },
  processes: processOf(`boot ${++boots}`),
})

t.test('When a ticket is too old, used, or forgotten, then nothing is handed in with it', async t => {
  const logKey = generateKeyPairSync('ed25519').privateKey
  const tickets = new Tickets()
  const none = { code: 'open-failed' } as const
  t.throws(() => tickets.take(0), none)
  tickets.issue('default', logKey, 1000)
  t.equal(tickets.take(601_000).suite, 'x')
  t.throws(() => tickets.take(1000), none, 'it is good once')
  tickets.issue('default', logKey, 1000)
  t.throws(() => tickets.take(601_001), none)
  tickets.issue('default', logKey, 1000)
  tickets.forget()
  t.throws(() => tickets.take(1000), none)
})

t.test(
  'When a state is from before there were imported keys, then it is read, and nothing in it changes',
  async t => {
    const { pkcs8 } = generatePrivateKey('x')
    const before = {
      ...newState(),
      keys: [{ name: 'orders', suite: 'x', versions: [{ version: 1, created: 1, pkcs8 }] }],
    }
    const bytes = encodeCbor(before as unknown as Cbor)
    t.same(encodeState(decodeState(bytes)), bytes)
  },
)

t.test('When a key is for one use, then its row says so, and a row without is for fields', async t => {
  const { pkcs8 } = generatePrivateKey('x')
  const uses = KEY_USES.map(use => addKey(`for-${use}`, 'x', pkcs8, 1, use))
  const state = decodeState(encodeState(uses.reduce((before, add) => add(before), newState())))
  t.same(
    state.keys.map(({ use }) => use),
    [undefined, 'contextless', 'files', 'derive'],
  )
  const rotated = addVersion('for-files', generatePrivateKey('x').pkcs8, 2)(state)
  t.equal(rotated.keys[2]!.use, 'files')
  for (const use of ['all', 'fields files', true]) {
    const keys = [{ ...state.keys[1]!, use }]
    t.throws(() => decodeState(encodeCbor({ ...state, keys } as unknown as Cbor)), {
      code: 'keystore-damaged',
    })
  }
})

t.test('When a state has all there is of keys, then it is read as it was written', async t => {
  let state = importing()(addKey('orders', 'x', generatePrivateKey('x').pkcs8, 1)(newState()))
  const mark = { entry: 12, since: 1_795_000_000, days: 7 }
  state = retire({ key: 'old', version: 0 }, mark)(setMinimum({ key: 'orders', version: 1 })(state))
  const read = decodeState(encodeState(state))
  t.same(read, state)
  t.match(read.keys[1], { suite: 'rsa', legacy: FORM, versions: [{ retired: mark }] })
  t.notOk('retired' in undelete({ key: 'old', version: 1 })(read).keys[1]!.versions[0]!)
  const named = { ...read.keys[1]!, legacy: { ...FORM, charset: 'iso-8859-1' } }
  t.same(decodeState(encodeCbor({ ...read, keys: [named] } as unknown as Cbor)).keys, [named])
  for (const bad of [
    { ...read.keys[1]!, legacy: { ...FORM, padding: 'none' } },
    { ...read.keys[1]!, legacy: { ...FORM, charset: 'ebcdic' } },
    { ...read.keys[1]!, legacy: { ...FORM, extra: 1 } },
    { ...read.keys[1]!, minimum: -1 },
    { ...read.keys[1]!, exportable: true },
  ])
    t.throws(() => decodeState(encodeCbor({ ...read, keys: [bad] } as unknown as Cbor)), {
      code: 'keystore-damaged',
    })
})

t.test('When an imported key does not say how it opens, then the keystore does not unlock', async t => {
  const state = importing()(newState())
  delete state.keys[0]!.legacy
  const vault = await Vault.load(place(new Disk()))
  const slot = { id: 'admin', kind: 'passphrase' as const, factors: ADMIN }
  await t.rejects(vault.create(slot, { authority: new Uint8Array(1), log: new Uint8Array(1) }, state), {
    code: 'bad-key',
  })
})

t.test(
  'When the power is cut at any step of an import, then the keystore opens, with the key or without',
  async t => {
    const disk = new Disk()
    const vault = await Vault.load(place(disk))
    const slot = { id: 'admin', kind: 'passphrase' as const, factors: ADMIN }
    await vault.create(slot, { authority: new Uint8Array(1), log: new Uint8Array(1) }, newState())
    await vault.close()
    const base = disk.copy()
    const seen = new Set<boolean>()
    for (let at = 0; ; at++) {
      const trial = base.copy()
      const victim = await Vault.load(place(trial))
      await victim.unlock('admin', ADMIN)
      const first = trial.operations.length
      trial.fault = { at: first + at, kind: 'crash' }
      const failed = await victim.update(importing()).then(
        () => false,
        () => true,
      )
      const isOver = trial.operations.length - first <= at
      for (const [keeps, share] of [
        [false, 0],
        [true, 1],
        [true, 0.5],
      ] as const) {
        const after = await Vault.load(place(trial.afterPowerCut(() => keeps, share)))
        await after.unlock('admin', ADMIN)
        const key = after.unlocked!.keys.get('old')
        seen.add(key !== undefined)
        if (!failed) t.ok(key, `what was acknowledged is there, step ${at}`)
        if (key) t.match(key.versions.get(1)!.privateKey, { suite: 'rsa', bits: 1024, form: FORM })
        await after.close()
      }
      if (isOver) break
    }
    t.same([...seen].sort(), [false, true], 'both outcomes were seen')
  },
)
