/** The vault and the keeper before it: what is durable, what is in memory, and what a lock at any moment leaves. */

import { generateKeyPairSync, randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { directoryFiles, type LogFiles } from '../../appliance/keeper/audit/files.ts'
import { AuditLog } from '../../appliance/keeper/audit/log.ts'
import { Chronicle } from '../../appliance/keeper/chronicle.ts'
import type { Clock } from '../../appliance/keeper/clock.ts'
import { Keeper } from '../../appliance/keeper/keeper.ts'
import { Keystore } from '../../appliance/keeper/keystore/keystore.ts'
import { originOf } from '../../appliance/keeper/log-key.ts'
import { addKey, type Change } from '../../appliance/keeper/registry.ts'
import type { Caller, Item, NewTyped, Params } from '../../appliance/keeper/rpc/messages.ts'
import { encodeState, type SealedState, STATE_FORMAT } from '../../appliance/keeper/sealed-state.ts'
import { Vault } from '../../appliance/keeper/vault.ts'
import { parseProvision } from '../../appliance/provision.ts'
import { toBase64url } from '../../protocol/bytes.ts'
import { encodeCbor } from '../../protocol/cbor.ts'
import { sealField } from '../../protocol/envelope/field.ts'
import { generatePrivateKey } from '../../protocol/envelope/keys.ts'
import { parsePublicKey } from '../../protocol/envelope/token.ts'
import { selfSigned } from '../../protocol/identity/certificate.ts'
import { WIDE } from '../support/appliance.ts'
import { Disk, processOf } from './keystore-disk.ts'
import { floor, typed } from './keystore-factors.ts'

const ADMIN = [typed('passphrase', 'correct horse')]
const adminSlot = { id: 'admin', kind: 'passphrase' as const, factors: ADMIN }

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    error => error.code ?? error.message,
  )

let boots = 0
function place(disk: Disk) {
  boots += 1
  return { storage: disk.storage(), namespace: 'default', floor, processes: processOf(`boot ${boots}`) }
}
const authority = (): Uint8Array =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'der' })
const logKey = (): Uint8Array =>
  generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'der' })
const emptyState = (): SealedState => ({
  format: STATE_FORMAT,
  authority: authority(),
  log: logKey(),
  keys: [],
  agents: [],
  invitations: [],
  grants: [],
  recipients: [],
  canaries: [],
})
const withKey =
  (name: string): Change =>
  state =>
    addKey(name, 'x', generatePrivateKey('x').pkcs8, 1)(state)

/** A disk with a keystore that seals these bytes. */
async function sealing(state: Uint8Array): Promise<Disk> {
  const disk = new Disk()
  await (await Keystore.create(place(disk), { state, slots: [adminSlot] })).close()
  return disk.copy()
}
const base = await sealing(encodeState(emptyState()))

/** A vault that is locked when its storage is asked for the operation with this number, counted from `arm`. */
async function lockable(disk: Disk, at: number, then: (vault: Vault) => void = () => {}) {
  const vault = await Vault.load(place(disk))
  let first = Number.POSITIVE_INFINITY
  disk.pause = async () => {
    if (disk.operations.length - first !== at) return
    vault.lock()
    then(vault)
  }
  const arm = () => {
    first = disk.operations.length
  }
  return { vault, arm, steps: () => disk.operations.length - first }
}

t.test('When the state does not decode, then nothing is left unlocked', async t => {
  const state = emptyState()
  const [good, bad] = [generatePrivateKey('x').pkcs8, new Uint8Array(48)]
  const versions = [good, bad].map((pkcs8, i) => ({ version: i + 1, created: 1, pkcs8 }))
  const broken: Record<string, [Uint8Array, string]> = {
    'no CBOR': [new Uint8Array([0xff]), 'keystore-damaged'],
    'another shape': [encodeCbor({ format: STATE_FORMAT }), 'keystore-damaged'],
    'another format': [encodeCbor({ ...state, format: 1 } as never), 'keystore-damaged'],
    'a key that is none': [encodeState({ ...state, keys: [{ name: 'a', suite: 'x', versions }] }), 'bad-key'],
    'a recipient that is none': [
      encodeState({ ...state, recipients: [{ name: 'bank', jwk: '{}', since: 1 }] }),
      'bad-recipient',
    ],
  }
  for (const [what, [bytes, code]] of Object.entries(broken)) {
    let collected = 0
    const disk = await sealing(bytes)
    const vault = await Vault.load({ ...place(disk), collect: () => collected++ })
    await t.rejects(vault.unlock('admin', ADMIN), { code }, what)
    t.equal(vault.state, 'locked')
    t.equal(vault.unlocked, null)
    t.equal(collected, 1, 'keys that were imported before the fault are freed')
    await t.rejects(
      vault.update(state => state),
      { code: 'wrong-state' },
      'and the data key is gone',
    )
  }
})

t.test('When it is locked at any step of an unlock, then it stays locked', async t => {
  const calm = await lockable(base.copy(), Number.POSITIVE_INFINITY)
  calm.arm()
  await calm.vault.unlock('admin', ADMIN)
  const steps = calm.steps()
  t.ok(steps > 0)
  for (let at = 0; at < steps; at++) {
    const { vault, arm } = await lockable(base.copy(), at)
    arm()
    await t.rejects(vault.unlock('admin', ADMIN), { code: 'wrong-state' })
    t.equal(vault.unlocked, null)
    t.equal(vault.state, 'locked')
    await vault.unlock('admin', ADMIN)
    t.equal(vault.state, 'operational')
  }
})

t.test('When it is locked at any step of an update, then what is durable is there after unlock', async t => {
  const calm = await lockable(base.copy(), Number.POSITIVE_INFINITY)
  await calm.vault.unlock('admin', ADMIN)
  calm.arm()
  await calm.vault.update(withKey('orders'))
  t.ok(calm.vault.unlocked?.keys.has('orders'))
  const outcomes = new Set<string>()
  for (let at = 0; at < calm.steps(); at++) {
    const { vault, arm } = await lockable(base.copy(), at)
    await vault.unlock('admin', ADMIN)
    arm()
    const outcome = await codeOf(vault.update(withKey('orders')))
    outcomes.add(outcome)
    t.equal(vault.unlocked, null, 'nothing stays in memory')
    await vault.unlock('admin', ADMIN)
    t.equal(vault.unlocked?.keys.has('orders'), outcome === 'done', `locked at step ${at}: ${outcome}`)
  }
  t.same([...outcomes].sort(), ['done', 'wrong-state'])
})

t.test('When it is locked and unlocked during an update, then memory is what is durable', async t => {
  const outcomes = new Set<string>()
  for (let at = 0; ; at++) {
    const disk = base.copy()
    let unlocking: Promise<void> | undefined
    const { vault, arm } = await lockable(disk, at, vault => {
      unlocking = vault.unlock('admin', ADMIN)
    })
    await vault.unlock('admin', ADMIN)
    arm()
    const outcome = await codeOf(vault.update(withKey('orders')))
    if (!unlocking) break
    await unlocking
    outcomes.add(outcome)
    const again = await Vault.load(place(disk.afterPowerCut(() => false, 0)))
    await again.unlock('admin', ADMIN)
    t.same([...vault.unlocked!.keys.keys()], [...again.unlocked!.keys.keys()], `at step ${at}: ${outcome}`)
  }
  t.same([...outcomes].sort(), ['done', 'wrong-state'])
})

t.test('When a change fails or its disk does, then memory is as it was, and new keys are freed', async t => {
  let collected = 0
  const disk = base.copy()
  const vault = await Vault.load({ ...place(disk), collect: () => collected++ })
  await vault.unlock('admin', ADMIN)
  const before = vault.unlocked
  const refuse = () => {
    throw new Error('refused')
  }
  await t.rejects(vault.update(refuse), /refused/)
  disk.fault = { at: disk.operations.length, kind: 'ENOSPC', times: Number.POSITIVE_INFINITY }
  await t.rejects(vault.update(withKey('orders')), { code: 'storage-failed' })
  t.equal(vault.unlocked, before)
  t.equal(collected, 2)
})

/** Time stands still. */
const clock: Clock = { wall: () => 1e15, up: () => 1e6, boot: 'the only one' }

/** Files of a log that are durable at once, so that a decision takes few turns of the event loop. */
const promptly = (real: LogFiles): LogFiles => ({
  ...real,
  open: (name, mode) => ({ ...real.open(name, mode), sync: async () => {} }),
  syncDirectory: async () => {},
})

/** A keeper whose keystore is on a disk in memory, and callers of every sort. */
async function keeperOn(t: Test, disk: Disk, files?: (real: LogFiles) => LogFiles) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const administrator = selfSigned({ namespace: 'default', role: 'administrator', name: 'owner' }, privateKey)
  const card = { name: 'd', administrator: toBase64url(administrator), claim: toBase64url(randomBytes(32)) }
  const provision = parseProvision(JSON.stringify(card)).namespaces.get('default')!
  const vault = await Vault.load(place(disk))
  const directory = t.testdir()
  const log = await AuditLog.open({
    directory,
    origin: originOf('default'),
    clock,
    ...(files ? { files: files(directoryFiles(directory)) } : {}),
  })
  t.teardown(() => log.close())
  const chronicle = new Chronicle()
  const keeper = new Keeper({ vault, log, chronicle, provision, deviceSecret: randomBytes(32), clock })
  const issued = { namespace: 'default', role: 'authority', name: 'claviger' }
  const caller = (role: string, name: string, pin: Uint8Array = randomBytes(32)): Caller => ({
    ...{ pin, namespace: 'default', role, name },
    issuer: issued,
  })
  const owner = caller('administrator', 'owner', provision.pin)
  const claimant = { ...owner, issuer: { namespace: 'default', role: 'administrator', name: 'owner' } }
  return { keeper, vault, caller, owner, claimant }
}
const passphraseOf = (text: string): NewTyped => {
  const { output, argon2 } = typed('passphrase', text)
  return { output, ...argon2! }
}
t.test('When the cost of an unlock is asked for, then it is admitted exactly as the unlock is', async t => {
  const { keeper, caller, owner, claimant } = await keeperOn(t, new Disk())
  const callers: Record<string, Caller> = {
    owner,
    claimant,
    operator: caller('operator', 'till-1'),
    auditor: caller('auditor', 'books'),
    backup: caller('backup', 'nas'),
    stranger: { ...caller('operator', 'x'), issuer: { namespace: 'default', role: 'operator', name: 'x' } },
    'of another shop': { ...owner, namespace: 'union' },
    invited: {
      ...caller('operator', 'till-2'),
      issuer: { namespace: 'default', role: 'invitation', name: 'till-2' },
    },
  }
  const { output } = passphraseOf('another passphrase')
  const unlocking: Params<'unlock'>[] = [
    { passphrase: output },
    { pin: output, hostShare: new Uint8Array(32) },
  ]
  const seen = new Set<string>()
  const compare = async () => {
    for (const [who, caller] of Object.entries(callers)) {
      for (const params of unlocking) {
        const factor = 'pin' in params ? 'pin' : 'passphrase'
        const asked = await codeOf(keeper.handle('unlockCost', caller, { route: 'unlock', factor }))
        const unlocked = await codeOf(keeper.handle('unlock', caller, params))
        seen.add(asked)
        const expected = asked === 'done' ? 'unlock-refused' : asked
        t.equal(unlocked, expected, `${who}, ${factor}, ${keeper.state}`)
      }
    }
  }
  await compare()
  await keeper.handle('provision', claimant, { passphrase: passphraseOf('correct horse') })
  await keeper.handle('changeSettings', owner, { tries: { free: 1000, first: 1, longest: 1 } })
  await compare()
  await keeper.handle('lock', owner, {})
  await compare()
  t.same([...seen].sort(), ['done', 'unknown-agent', 'unlock-refused', 'wrong-role', 'wrong-state'])
  const { argon2 } = typed('passphrase', '')
  t.same(await keeper.handle('unlockCost', owner, { route: 'unlock', factor: 'passphrase' }), argon2)
})

t.test(
  'When something new is cheaper than the floor, then neither a keystore nor a slot is made',
  async t => {
    const disk = new Disk()
    const { keeper, claimant } = await keeperOn(t, disk)
    const cheap = { ...passphraseOf('correct horse'), m: 7 }
    await t.rejects(keeper.handle('provision', claimant, { passphrase: cheap }), {
      code: 'malformed-request',
    })
    t.equal(keeper.state, 'unprovisioned')
    t.equal(disk.names.has('default'), false)
  },
)

t.test(
  'When the disk is slow, then a lock waits for nothing, and the change is there afterwards',
  async t => {
    const disk = new Disk()
    const { keeper, vault, owner, claimant } = await keeperOn(t, disk)
    await keeper.handle('provision', claimant, { passphrase: passphraseOf('correct horse') })
    const resume = Promise.withResolvers<void>()
    const writing = Promise.withResolvers<void>()
    disk.pause = async () => {
      if (disk.operations.length === 0) return
      if (disk.operations.at(-1)?.startsWith('writeNew')) {
        writing.resolve()
        await resume.promise
      }
    }
    const creation = keeper.handle('createKey', owner, { name: 'orders', suite: 'x' })
    const next = keeper.handle('createKey', owner, { name: 'later', suite: 'x' })
    await writing.promise
    t.same(await keeper.handle('lock', owner, {}), { state: 'locked' })
    t.equal(vault.unlocked, null)
    resume.resolve()
    await t.rejects(creation, { code: 'wrong-state' })
    await t.rejects(next, { code: 'wrong-state' })
    t.equal(vault.unlocked, null)
    const { output } = passphraseOf('correct horse')
    await keeper.handle('unlock', owner, { passphrase: output })
    const keys = await keeper.handle('listKeys', owner, {})
    t.same(
      keys.map(({ name }) => name),
      ['orders'],
      'the change that was being written is there, the one behind it is not',
    )
  },
)

t.test('When it is locked while fields are being opened, then no plaintext leaves', async t => {
  const { keeper, vault, caller, owner, claimant } = await keeperOn(t, new Disk(), promptly)
  await keeper.handle('provision', claimant, { passphrase: passphraseOf('correct horse') })
  const { versions } = await keeper.handle('createKey', owner, { name: 'orders', suite: 'x' })
  const till = caller('operator', 'till-1')
  await vault.update(state => {
    const { name, pin } = till
    return {
      ...state,
      agents: [...state.agents, { name, role: 'operator', pin, since: 1, unattended: false }],
    }
  })
  const key = parsePublicKey(versions[0]!.publicKey)
  const context = { field: 'card.number', record: 'r/1' }
  const token = sealField(key, context, new TextEncoder().encode('4111'))
  const params: Params<'decrypt'> = {
    purpose: 'ship',
    reason: '',
    items: Array.from({ length: 64 }, () => [token, context.field, context.record, 'full', 0] satisfies Item),
  }
  await keeper.handle('addGrant', owner, { ...WIDE, agent: 'till-1', key: 'orders' })
  const { opened } = await keeper.handle('decrypt', till, params)
  t.same(
    opened.map(value => Buffer.from(value as Uint8Array).toString()),
    Array(64).fill('4111'),
  )
  const { output } = passphraseOf('correct horse')
  let refused = 0
  for (let at = 0; ; at++) {
    let isOver = false
    const decryption = keeper.handle('decrypt', till, params).finally(() => {
      isOver = true
    })
    for (let i = 0; i < at; i++) await new Promise(setImmediate)
    if (isOver) {
      t.equal((await decryption).opened.length, 64)
      break
    }
    const locked = keeper.handle('lock', owner, {})
    const code = await codeOf(decryption)
    if (code !== 'wrong-state') t.fail(`locked at turn ${at}: ${code}`)
    refused += 1
    await locked
    await keeper.handle('unlock', owner, { passphrase: output })
  }
  t.ok(refused > 1, `locked at each of ${refused} turns: before the log, after it, while they are opened`)
})
