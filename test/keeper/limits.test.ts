/** A full keystore refuses more, and stays one that opens. */
import t from 'tap'
import { decodeState, encodeState, type SealedState } from '../../appliance/keeper/sealed-state.ts'
import { generatePrivateKey } from '../../protocol/envelope/keys.ts'
import { PASSPHRASE } from '../support/appliance.ts'
import { startInProcess } from '../support/in-process.ts'

const pkcs8 = Uint8Array.from(generatePrivateKey('x').pkcs8)
const agent = (i: number): SealedState['agents'][number] => ({
  name: `agent-${i}`,
  role: 'auditor',
  pin: new Uint8Array(Buffer.from(i.toString(16).padStart(64, '0'), 'hex')),
  since: 1,
  unattended: false,
})
const invitation = (i: number): SealedState['invitations'][number] => ({
  name: `invited-${i}`,
  role: 'auditor',
  certificate: Uint8Array.of(0x30),
  since: 1,
  expires: 2,
  unattended: false,
})
const key = (i: number, versions = 1): SealedState['keys'][number] => ({
  name: `key-${i}`,
  suite: 'x',
  versions: Array.from({ length: versions }, (_, v) => ({
    version: v + 1,
    created: 1,
    pkcs8: Uint8Array.from(pkcs8),
  })),
})
const many = <T>(count: number, make: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i))
const grant = (i: number): SealedState['grants'][number] => ({
  id: `g${i}`,
  agent: 'till-1',
  key: 'orders',
  fields: ['card.*'],
  purposes: ['charge'],
  reveal: ['full'],
  budgets: [],
  hours: null,
  since: 1,
})
const recipient = (i: number): SealedState['recipients'][number] => ({ name: `to-${i}`, jwk: '{}', since: 1 })
const canary = (i: number): Uint8Array => new Uint8Array(Buffer.from(i.toString(16).padStart(32, '0'), 'hex'))
const empty: SealedState = {
  format: 3,
  authority: pkcs8,
  log: pkcs8,
  keys: [],
  agents: [],
  invitations: [],
  grants: [],
  recipients: [],
  canaries: [],
}

t.test('When a state is one that can be written, then it can be read, up to the last of each', async t => {
  const rows: [fits: Partial<SealedState>, tooMuch: Partial<SealedState>][] = [
    [{ keys: many(256, key) }, { keys: many(257, key) }],
    [{ keys: [key(0, 1024)] }, { keys: [key(0, 1025)] }],
    [{ agents: many(1024, agent) }, { agents: many(1025, agent) }],
    [{ invitations: many(1023, invitation) }, { invitations: many(1024, invitation) }],
    [{ grants: many(1024, grant) }, { grants: many(1025, grant) }],
    [{ recipients: many(256, recipient) }, { recipients: many(257, recipient) }],
    [{ canaries: many(10_000, canary) }, { canaries: many(10_001, canary) }],
  ]
  for (const [fits, tooMuch] of rows) {
    const state = { ...empty, ...fits }
    t.strictSame(decodeState(encodeState(state)), state)
    t.throws(() => encodeState({ ...empty, ...tooMuch }), { code: 'too-large' })
  }
})

t.test(
  'When a device has all the keys that it holds, then one more is refused and it still unlocks',
  async t => {
    const device = await startInProcess()
    t.teardown(device.stop)
    const { appliance, vault } = device
    const admin = await appliance.connect(appliance.admin)
    await vault.update(state => ({ ...state, keys: many(255, key) }))
    t.equal((await admin.createKey('the-last')).versions.length, 1)
    await t.rejects(admin.createKey('one-more'), { code: 'too-large', status: 413 })
    t.equal((await admin.listKeys()).keys.length, 256)
    await admin.rotateKey('the-last')
    await admin.lock()
    t.same(await admin.unlock({ passphrase: PASSPHRASE }), { state: 'operational' })
    t.equal((await admin.showKey('the-last')).versions.length, 2)
  },
)

t.test('When an answer is larger than a message may be, then it is refused, and others are not', async t => {
  const device = await startInProcess()
  t.teardown(device.stop)
  const { appliance, vault } = device
  const admin = await appliance.connect(appliance.admin)
  const quantum = generatePrivateKey('q').pkcs8
  const versions = many(700, v => ({ version: v + 1, created: 1, pkcs8: Uint8Array.from(quantum) }))
  await vault.update(state => ({
    ...state,
    keys: many(2, i => ({
      ...key(i),
      suite: 'q' as const,
      versions: versions.map(v => ({ ...v, pkcs8: Uint8Array.from(quantum) })),
    })),
  }))
  const [list, one] = await Promise.allSettled([admin.listKeys(), admin.showKey('key-1')])
  t.match(list, { status: 'rejected', reason: { code: 'too-large' } })
  t.match(one, { status: 'fulfilled', value: { name: 'key-1' } })
})
