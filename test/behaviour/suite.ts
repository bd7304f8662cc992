/**
 * What an appliance promises to whoever is on its wire. The suite is one; `memory.test.ts`, `serial.test.ts` and
 * `lan.test.ts` run it over the three wires.
 */
import t, { type Test } from 'tap'
import { Appliance } from '../../host-agent/client/appliance.ts'
import type { Credentials } from '../../host-agent/client/identity.ts'
import type { Profile } from '../../host-agent/client/profile.ts'
import { pinned } from '../../host-agent/client/tls.ts'
import type { Wire } from '../../host-agent/client/wire.ts'
import { sealer } from '../../host-agent/seal/seal.ts'
import { MAX_BODY, ROUTES, type RouteName } from '../../protocol/api/routes.ts'
import { fromBase64url } from '../../protocol/bytes.ts'
import { PASSPHRASE, PIN, type TestAppliance } from '../support/appliance.ts'
import { ask as askOn, codeOf, type RawAnswer, type RawRequest, secure } from '../support/http.ts'
import { requestOf } from '../support/requests.ts'
import { doors } from './doors.ts'
import { guarding } from './guarding.ts'
import { keyLife } from './key-life.ts'
import { legacy } from './legacy.ts'
import { own } from './own.ts'
import { strangers } from './strangers.ts'

/** What the suite runs on. */
export interface Subject {
  /** Provisioned, operational, without keys and agents. */
  appliance: TestAppliance
  /** Moves the device's clocks forward, seconds; missing where the device has a clock of its own. */
  advance?(seconds: number): void
  stop(): Promise<void>
}

/** The subject with what nearly every test needs, and plain functions over its wire. */
export interface House {
  appliance: TestAppliance
  advance: Subject['advance']
  wire: Wire
  admin: Appliance
  /** An operator with a grant for `orders`, with a PIN. */
  till: Appliance
  tillProfile: Profile
  /** One request by anybody, on a connection of its own. */
  ask(who: Credentials | null, what?: RawRequest): Promise<RawAnswer>
}

const FIELD = 'card.number'
export const PLACE = { field: FIELD, record: 'cust_cards/42' }
export const CARD = '4242424242424242'

/** The parts of the suite. */
const PARTS = {
  opening: ['opening fields', opening],
  bodies: ['what a body may be', bodies],
  load: ['many at the same time', load],
  rights: ['who may', rights],
  strangers: ['strangers', strangers],
  locking: ['locked and unlocked', locking],
  legacy: ['imported keys, and sealing again', legacy],
  doors: ['what others encrypted', doors],
  keyLife: ['the life of a key', keyLife],
  own: ['what an operator is told of itself', own],
  guarding: ['who goes too far', guarding],
} as const

/** Runs every claim on one appliance. */
export function behaviour(wireName: string, start: () => Promise<Subject>): void {
  t.test(`an appliance over ${wireName}`, async t => {
    const { appliance, advance, stop } = await start()
    t.teardown(stop)
    await suiteOn(t, appliance, Object.keys(PARTS) as (keyof typeof PARTS)[], advance)
  })
}

/** Runs some of the claims on an appliance that has no key `orders` and no agent `till-1` yet. */
export async function suiteOn(
  t: Test,
  appliance: TestAppliance,
  parts: readonly (keyof typeof PARTS)[],
  advance?: Subject['advance'],
): Promise<void> {
  const wire = await appliance.wire()
  t.teardown(() => wire.close())
  const admin = await appliance.connect(appliance.admin)
  await admin.createKey('orders')
  const tillProfile = await appliance.enrol('till-1', 'operator', ['orders'], PIN)
  const till = await appliance.connect(tillProfile)
  const house: House = {
    appliance,
    advance,
    wire,
    admin,
    till,
    tillProfile,
    ask: async (who, what) => {
      const socket = await secure(await wire.open(), who)
      try {
        return await askOn(socket, what)
      } finally {
        socket.destroy()
      }
    },
  }
  for (const part of parts) {
    const [name, run] = PARTS[part]
    await t.test(name, t => run(t, house))
  }
  await t.test('when all is done, then the same till still reads the same field', async t => {
    const key = await admin.showKey('orders')
    const ciphertext = sealer(key.versions[0]!.publicKey)(PLACE, CARD)
    t.match(await till.decrypt({ purpose: 'charge', items: [{ ciphertext, context: PLACE }] }), {
      results: [{ value: CARD }],
    })
  })
}

/** A request for one field. */
export const one = (ciphertext: string, context = PLACE) => ({
  purpose: 'charge',
  items: [{ ciphertext, context }],
})

async function opening(t: Test, { admin, till, appliance }: House): Promise<void> {
  const current = async () => sealer((await admin.showKey('orders')).versions.at(-1)!.publicKey)
  const seal = await current()
  const token = seal(PLACE, CARD)

  t.test('When a field was sealed for a place, then an operator with a grant reads it there', async t => {
    t.match(await till.decrypt(one(token)), { results: [{ value: CARD }] })
  })

  t.test('When it is asked for at another place, then it does not open', async t => {
    for (const context of [
      { ...PLACE, record: 'cust_cards/43' },
      { ...PLACE, record: '' },
      { ...PLACE, field: 'card.holder' },
    ])
      t.match(await till.decrypt(one(token, context)), { results: [{ error: { code: 'open-failed' } }] })
  })

  t.test('Whichever suite a key has, its fields open', async t => {
    for (const suite of ['x', 'p', 'q'] as const) {
      const name = `suite-${suite}`
      const key = await admin.createKey(name, suite)
      t.equal(key.suite, suite)
      const profile = await appliance.enrol(`agent-${suite}`, 'operator', [name])
      const agent = await appliance.connect(profile)
      const sealed = sealer(key.versions[0]!.publicKey)(PLACE, `${CARD} by ${suite}`)
      t.ok(sealed.startsWith(`clv1.${suite}.${name}.1.`))
      t.match(await agent.decrypt(one(sealed)), { results: [{ value: `${CARD} by ${suite}` }] })
    }
  })

  t.test('When a batch has bad items, then each has its own result, in order and with its ref', async t => {
    await admin.createKey('private')
    const [, , , version, body] = token.split('.')
    t.equal(version, '1')
    const notGranted = sealer((await admin.showKey('private')).versions[0]!.publicKey)(PLACE, CARD)
    const bytes = Uint8Array.of(0xff, 0xfe, 0x00, 0x80)
    const base64url = Buffer.from(bytes).toString('base64url')
    const value = { value: CARD }
    const error = (code: string) => ({ error: { code } })
    const rows: [name: string, ciphertext: string, result: object, extra?: object][] = [
      ['first', token, value],
      ['garbage', 'garbage', error('bad-token')],
      ['wrong-context', token, error('open-failed'), { context: { ...PLACE, record: 'other' } }],
      ['bad-field', token, error('bad-context'), { context: { ...PLACE, field: 'Card Number' } }],
      ['long-record', token, error('bad-context'), { context: { ...PLACE, record: 'ü'.repeat(128) } }],
      ['unknown-key', token.replace('.orders.', '.orderz.'), error('not-granted')],
      ['ungranted-key', notGranted, error('not-granted')],
      ['unknown-version', `clv1.x.orders.999.${body}`, error('open-failed')],
      ['other-suite', `clv1.p.orders.1.${'A'.repeat(200)}`, error('open-failed')],
      ['no-suite', `clv1.z.orders.1.${body}`, error('bad-token')],
      ['truncated', token.slice(0, -6), error('open-failed')],
      ['truncated-short', token.slice(0, 40), error('bad-token')],
      ['flipped', flipped(token), error('open-failed')],
      ['padded', `${token}=`, error('bad-token')],
      ['', token, value],
      ['not-text', seal(PLACE, bytes), { value: base64url, encoding: 'base64url' }],
      [
        'asked',
        token,
        { value: Buffer.from(CARD).toString('base64url'), encoding: 'base64url' },
        { encoding: 'base64url' },
      ],
      ['nul', seal(PLACE, 'a\0b"\\\u2028😀'), { value: 'a\0b"\\\u2028😀' }],
      ['bom', seal(PLACE, '\ufeffx'), { value: '\ufeffx' }],
      ['nothing', seal(PLACE, ''), { value: '' }],
      ['full', token, value, { reveal: 'full' }],
      ['again', token, value],
    ]
    const items = rows.map(([ref, ciphertext, , extra]) => ({ ciphertext, context: PLACE, ref, ...extra }))
    const noRef = { ciphertext: token, context: PLACE }
    t.match(await till.decrypt({ purpose: 'ship', reason: 'labels', items: [...items, noRef] }), {
      results: [...rows.map(([ref, , result]) => ({ ref, ...result })), value],
    })
  })

  t.test('When a key was rotated, then old and new tokens open, each under its own version', async t => {
    const rotated = await admin.rotateKey('orders')
    t.same(
      rotated.versions.map(({ version }) => version),
      [1, 2],
    )
    const fresh = (await current())(PLACE, 'new')
    t.ok(fresh.startsWith('clv1.x.orders.2.'))
    const moved = fresh.replace('.orders.2.', '.orders.1.')
    const items = [token, fresh, moved].map(ciphertext => ({ ciphertext, context: PLACE }))
    t.match(await till.decrypt({ purpose: 'ship', items }), {
      results: [{ value: CARD }, { value: 'new' }, { error: { code: 'open-failed' } }],
    })
  })

  t.test('When 1,000 items are asked for at once, then 1,000 values come, in order', async t => {
    const items = Array.from({ length: 1000 }, (_, i) => {
      const context = { field: FIELD, record: `${i}` }
      return { ciphertext: seal(context, `value ${i}`), context, ref: `${i}` }
    })
    const { results } = await till.decrypt({ purpose: 'ship', items })
    t.same(
      results,
      items.map(({ ref }) => ({ ref, value: `value ${ref}` })),
    )
    await t.rejects(till.decrypt({ purpose: 'ship', items: [...items, items[0]!] }), {
      code: 'malformed-request',
      status: 400,
    })
  })
}

function flipped(token: string): string {
  const at = token.length - 20
  return token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1)
}

async function bodies(t: Test, { admin, till, tillProfile, ask }: House): Promise<void> {
  const seal = sealer((await admin.showKey('orders')).versions.at(-1)!.publicKey)

  /** A decrypt request of exactly this many bytes. */
  const sized = (size: number): string => {
    const items = Array.from({ length: 8 }, () => ({ ciphertext: 'x'.repeat(131_000), context: PLACE }))
    const start = JSON.stringify({
      purpose: 'ship',
      items: [{ ciphertext: seal(PLACE, CARD), context: PLACE }, ...items.slice(1)],
    })
    return start.padEnd(size)
  }

  t.test('When a body has exactly 1 MiB, then it is answered', async t => {
    const body = sized(MAX_BODY)
    t.equal(Buffer.byteLength(body), 1_048_576)
    const answer = await ask(tillProfile, { method: 'POST', path: '/v1/decrypt', body })
    t.equal(answer.status, 200)
    const { results } = JSON.parse(answer.text)
    t.same(results[0], { value: CARD })
    t.equal(results.length, 8)
  })

  t.test('When it has one byte more, then it is refused as too large', async t => {
    const answer = await ask(tillProfile, { method: 'POST', path: '/v1/decrypt', body: sized(MAX_BODY + 1) })
    t.equal(answer.status, 413)
    t.equal(codeOf(answer), 'too-large')
  })

  t.test('When it is longer than it said, in chunks, then it is refused as too large', async t => {
    const headers = { 'transfer-encoding': 'chunked' }
    const body = sized(MAX_BODY + 1)
    const answer = await ask(tillProfile, { method: 'POST', path: '/v1/decrypt', body, headers })
    t.equal(answer.status, 413)
    t.equal(codeOf(answer), 'too-large')
  })

  t.test('When the answer is larger than every buffer on the way, then it comes whole', async t => {
    const values = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(i => String(i % 10).repeat(64_000))
    const items = values.map(value => ({ ciphertext: seal(PLACE, value), context: PLACE }))
    const { results } = await till.decrypt({ purpose: 'ship', items })
    t.ok(results.every(({ value }, i) => value === values[i]))
    t.equal(results.length, values.length)
  })
}

async function load(t: Test, { admin, till, tillProfile, wire }: House): Promise<void> {
  const seal = sealer((await admin.showKey('orders')).versions.at(-1)!.publicKey)

  t.test('When 32 sessions send 20 requests each, then each gets its own answers', async t => {
    const sessions = await Promise.all(
      Array.from({ length: 32 }, async () => secure(await wire.open(), tillProfile)),
    )
    const wrong: string[] = []
    const entries = new Set<number>()
    await Promise.all(
      sessions.map(async (socket, s) => {
        for (let r = 0; r < 20; r++) {
          const value = `session ${s} request ${r}`
          const body = JSON.stringify(one(seal(PLACE, value)))
          const { status, text } = await askOn(socket, { method: 'POST', path: '/v1/decrypt', body })
          const { results, audit } = JSON.parse(text)
          if (status !== 200 || JSON.stringify(results) !== JSON.stringify([{ value }])) wrong.push(text)
          entries.add(audit?.index)
        }
        socket.destroy()
      }),
    )
    t.same(wrong, [])
    t.equal(entries.size, 640, 'and each has an entry of its own in the log')
  })

  t.test('When requests follow each other, then they share a connection', async t => {
    let opened = 0
    const counted: Wire = {
      address: wire.address,
      open: () => {
        opened++
        return wire.open()
      },
      close: async () => {},
    }
    const client = new Appliance(counted, tillProfile, pinned(fromBase64url(tillProfile.device)!))
    for (let i = 0; i < 10; i++) await client.decrypt(one(seal(PLACE, CARD)))
    t.equal(opened, 1)
    await client.close()
  })

  t.test('When a session breaks within a request, then the others do not notice', async t => {
    const token = seal(PLACE, CARD)
    for (let i = 0; i < 5; i++) {
      const socket = await secure(await wire.open(), tillProfile)
      socket.write(
        'POST /v1/decrypt HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n{"pur',
      )
      const asked = till.decrypt(one(token))
      socket.destroy()
      t.same((await asked).results, [{ value: CARD }])
    }
  })
}

async function rights(t: Test, { appliance, admin, ask, wire }: House): Promise<void> {
  const token = sealer((await admin.showKey('orders')).versions[0]!.publicKey)(PLACE, CARD)

  t.test('When an administrator asks for plaintext, then it is refused', async t => {
    await t.rejects(admin.decrypt(one(token)), { code: 'wrong-role', status: 403 })
  })

  t.test(
    'When an agent is revoked, then its open connection dies and its certificate opens nothing',
    async t => {
      const profile = await appliance.enrol('till-2', 'operator', ['orders'])
      const client = await appliance.connect(profile, { retryFor: 0 })
      t.match(await client.decrypt(one(token)), { results: [{ value: CARD }] })
      const open = await secure(await wire.open(), profile)
      t.equal((await askOn(open)).status, 200)
      const died = new Promise(resolve => open.once('close', resolve))
      await admin.revoke('till-2')
      await died
      t.pass('the open connection died')
      const body = JSON.stringify(one(token))
      const answer = await ask(profile, { method: 'POST', path: '/v1/decrypt', body })
      t.equal(answer.status, 401)
      t.equal(codeOf(answer), 'unknown-agent')
      t.equal((await ask(profile)).status, 401)
      await t.rejects(client.decrypt(one(token)), { code: 'unknown-agent' })
      await t.rejects(client.status(), { code: 'unknown-agent' })
      t.notMatch(
        (await admin.listAgents()).agents.map(({ name }) => name),
        ['till-2'],
      )
    },
  )

  t.test('When the device is not the one that was enrolled with, then nothing is sent to it', async t => {
    const elsewhere = { ...appliance.admin, device: Buffer.alloc(32, 7).toString('base64url') }
    const client = await appliance.connect(elsewhere)
    await t.rejects(client.createKey('never'), { code: 'device-mismatch' })
    await t.rejects(admin.showKey('never'), { code: 'unknown-key' })
  })
}

async function locking(t: Test, house: House): Promise<void> {
  const { appliance, admin, till, tillProfile, ask } = house
  const auditor = await appliance.enrol('auditor-1', 'auditor')
  const hostShare = tillProfile.hostShare!
  const right = { pin: PIN, hostShare }
  const wrong = { pin: '000000', hostShare }

  t.test('When an operator locks it, then every operational route tells its state', async t => {
    t.same(await till.lock(), { state: 'locked' })
    t.equal((await admin.status()).state, 'locked')
    const who: Record<string, Credentials> = {
      administrator: appliance.admin,
      operator: tillProfile,
      auditor,
    }
    for (const [name, { roles, states }] of Object.entries(ROUTES)) {
      const role = roles.find(role => who[role])
      if ((states as readonly string[]).includes('locked') || !role) continue
      const answer = await ask(who[role]!, requestOf(name as RouteName))
      t.equal(answer.status, 412, name)
      t.equal(codeOf(answer), 'wrong-state', name)
      t.equal(JSON.parse(answer.text).state, 'locked', name)
    }
  })

  t.test('When a PIN is wrong, then the tries count down; when it is right, they start again', async t => {
    for (const left of [7, 6])
      await t.rejects(till.unlock(wrong), {
        code: 'unlock-refused',
        status: 403,
        hint: new RegExp(`\\b${left} tries are left`),
      })
    await t.rejects(till.unlock({ pin: PIN, hostShare: Buffer.alloc(32).toString('base64url') }), {
      code: 'unlock-refused',
      hint: /\b5 tries/,
    })
    t.same(await till.unlock(right), { state: 'operational' })
    await till.lock()
    await t.rejects(till.unlock(wrong), { code: 'unlock-refused', hint: /\b7 tries are left/ })
    t.same(await till.unlock(right), { state: 'operational' })
  })

  t.test('When it is unlocked already, then unlocking is refused with the state', async t => {
    await t.rejects(till.unlock(right), { code: 'wrong-state', status: 412, state: 'operational' })
  })

  t.test('When an operator has the passphrase, or an auditor a PIN, then neither unlocks', async t => {
    await till.lock()
    await t.rejects(till.unlock({ passphrase: PASSPHRASE }), { code: 'wrong-role', status: 403 })
    const auditing = await appliance.connect(auditor)
    await t.rejects(auditing.unlock(right), { code: 'wrong-role', status: 403 })
    t.equal((await admin.status()).state, 'locked')
  })

  t.test('When the administrator has the passphrase, then it unlocks', async t => {
    await t.rejects(admin.unlock({ passphrase: `${PASSPHRASE}!` }), { code: 'unlock-refused', status: 403 })
    await t.rejects(admin.unlock(right), { code: 'unlock-refused', status: 403 })
    t.same(await admin.unlock({ passphrase: PASSPHRASE }), { state: 'operational' })
  })
}
