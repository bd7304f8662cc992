/** A token of PKCS#11 in front of a real device: what applications are given, and what they are refused. */
import {
  constants,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  publicEncrypt,
  randomBytes,
} from 'node:crypto'
import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Application } from '../../../host-agent/plugins/pkcs11/application.ts'
import { CKA, CKM, CKO, CKR } from '../../../host-agent/plugins/pkcs11/constants.ts'
import { House } from '../../../host-agent/plugins/pkcs11/house.ts'
import { servePkcs11 } from '../../../host-agent/plugins/pkcs11/server.ts'
import { type AttributeValue, readWanted } from '../../../host-agent/plugins/pkcs11/wire/attributes.ts'
import type { CallName } from '../../../host-agent/plugins/pkcs11/wire/calls.ts'
import { frame } from '../../../host-agent/plugins/pkcs11/wire/frames.ts'
import type { Reader } from '../../../host-agent/plugins/pkcs11/wire/reader.ts'
import { PIN, WIDE } from '../../support/appliance.ts'
import {
  ay,
  ecdh,
  HANDSHAKE,
  noMechanism,
  oaep,
  type Part,
  pkcs1,
  readAnswer,
  readBytes,
  readNumbers,
  request,
  room,
  template,
  u,
  wanted,
  y,
} from './requests.ts'
import { CARD, type Door, encrypt, labelOf, PLACE, startDoor } from './support.ts'

t.setTimeout(240_000)

const door = await startDoor()
t.teardown(() => door.stop())

/** The items of the newest request in the device's log. */
async function lastItems(): Promise<unknown> {
  const { size } = await door.admin.auditEntries({ from: 0, limit: 1 })
  // looks are entries, too
  const { entries } = await door.admin.auditEntries({ from: size - 4, limit: 8 })
  return entries.map(entry => JSON.parse(entry) as { items?: unknown }).findLast(({ items }) => items)?.items
}

/** An application, as p11-kit's client would be one. */
class Client {
  readonly application: Application
  readonly #offered: number

  constructor(house: Door['house'] = door.house, offered = 1) {
    this.application = new Application(house)
    this.#offered = offered
  }

  /** Initialized, with a session with the token of a purpose. */
  static async open(purpose: string, { house = door.house, offered = 1, pin = PIN as string | null } = {}) {
    const client = new Client(house, offered)
    await client.call('initialize', ay(HANDSHAKE), y(0), ay('\0'))
    const { tokens } = await house.look()
    const { slot } = tokens.find(token => token.purpose === purpose)!
    const session = (await client.call('openSession', u(slot), u(6))).ulong()
    if (pin !== null) await client.call('login', u(session), u(1), ay(pin))
    return { client, session, slot }
  }

  /** @throws Error with the return value */
  async call(name: CallName, ...parts: Part[]): Promise<Reader> {
    const answer = readAnswer(await this.application.answer(request(name, ...parts), this.#offered))
    if (answer.rv !== 0) throw Object.assign(new Error(`refused with 0x${answer.rv.toString(16)}`), answer)
    return (answer as { results: Reader }).results
  }

  async find(session: number, ...attributes: [number, AttributeValue][]): Promise<number[]> {
    await this.call('findObjectsInit', u(session), template(...attributes))
    const found: number[] = []
    for (;;) {
      const some = readNumbers(await this.call('findObjects', u(session), room(2))) as number[]
      if (some.length === 0) break
      found.push(...some)
    }
    await this.call('findObjectsFinal', u(session))
    return found
  }

  async privateKey(session: number, label: string): Promise<number> {
    const [handle] = await this.find(session, [CKA.CLASS, CKO.PRIVATE_KEY], [CKA.LABEL, Buffer.from(label)])
    return handle!
  }

  /** What C_Decrypt gives for a block in one go. */
  async decrypt(session: number, label: string, mechanism: Part, block: Uint8Array): Promise<string> {
    await this.call('decryptInit', u(session), mechanism, u(await this.privateKey(session, label)))
    const bytes = readBytes(await this.call('decrypt', u(session), ay(block), room(512)))
    return Buffer.from(bytes as Uint8Array).toString()
  }

  /** Values of attributes, in order; `null` for those that are not to be had. */
  async attributes(session: number, object: number, ...types: number[]) {
    const results = await this.call('getAttributeValue', u(session), u(object), wanted(...types))
    const values = Array.from({ length: results.uint32() }, () => {
      const type = results.uint32()
      if (results.byte() === 0) return null
      results.uint32()
      return [CKA.CLASS, CKA.KEY_TYPE, CKA.MODULUS_BITS, CKA.VALUE_LEN].includes(type as 0)
        ? results.ulong()
        : [CKA.SENSITIVE, CKA.EXTRACTABLE, CKA.TOKEN].includes(type as 1)
          ? results.byte() !== 0
          : Buffer.from(results.bytes()!)
    })
    const rv = results.ulong()
    results.end()
    return { values, rv }
  }
}

const refused = async (t: Test, promise: Promise<unknown>, rv: number, what = `0x${rv.toString(16)}`) => {
  const seen = await promise.then(
    () => CKR.OK,
    (error: { rv?: number }) => error.rv ?? error,
  )
  t.equal(seen, rv, what)
}

t.test(
  'When an operator has grants, then there is a token for each purpose that has something to do',
  async t => {
    const { tokens } = await door.house.look()
    t.same(
      tokens.map(({ label }) => label),
      ['charge', 'contact', 'ship'],
    )
    t.equal(new Set(tokens.map(({ serial }) => serial)).size, 3)
    const { client, slot } = await Client.open('ship')
    t.same(readNumbers(await client.call('getMechanismList', u(slot), room(8))), [
      CKM.RSA_PKCS,
      CKM.RSA_PKCS_OAEP,
    ])
    t.equal(readNumbers(await client.call('getMechanismList', u(slot), room(0))), 2, 'only how many')
    await refused(t, client.call('getMechanismInfo', u(slot), u(CKM.ECDH1_DERIVE)), CKR.MECHANISM_INVALID)
    await refused(t, client.call('getTokenInfo', u(99)), CKR.SLOT_ID_INVALID)
    await refused(t, client.call('openSession', u(slot), u(2)), CKR.SESSION_PARALLEL_NOT_SUPPORTED)
  },
)

t.test('When nobody is logged in, then only public objects are seen, with what encrypts', async t => {
  const { client, session } = await Client.open('charge', { pin: null })
  t.equal((await client.find(session, [CKA.CLASS, CKO.PRIVATE_KEY])).length, 0)
  const [key] = await client.find(session, [CKA.LABEL, Buffer.from('plain')])
  const { values, rv } = await client.attributes(
    session,
    key!,
    CKA.MODULUS,
    CKA.PUBLIC_EXPONENT,
    CKA.MODULUS_BITS,
  )
  const { n, e } = door.keys.plain.export({ format: 'jwk' })
  t.same(values, [Buffer.from(n!, 'base64url'), Buffer.from(e!, 'base64url'), 2048])
  t.equal(rv, CKR.OK)
  const [point] = await client.find(session, [CKA.LABEL, Buffer.from('raw-p')])
  const { values: curve } = await client.attributes(session, point!, CKA.PUBLIC_KEY_INFO, CKA.EC_POINT)
  const spki = createPublicKey({ key: curve[0] as Buffer, format: 'der', type: 'spki' })
  t.equal(spki.asymmetricKeyDetails?.namedCurve, 'prime256v1')
  t.equal((curve[1] as Buffer).subarray(0, 3).toString('hex'), '044104')
})

t.test('When a private key is looked at, then nothing of it is told', async t => {
  const { client, session } = await Client.open('charge')
  const key = await client.privateKey(session, 'plain')
  const asked = [CKA.PRIVATE_EXPONENT, CKA.PRIME_1, CKA.VALUE, CKA.SENSITIVE, CKA.EXTRACTABLE]
  t.same(await client.attributes(session, key, ...asked), {
    values: [null, null, null, true, false],
    rv: CKR.ATTRIBUTE_SENSITIVE,
  })
  t.match(await client.attributes(session, key, CKA.START_DATE), { rv: CKR.ATTRIBUTE_TYPE_INVALID })
  await refused(t, client.call('destroyObject', u(session), u(key)), CKR.TOKEN_WRITE_PROTECTED)
})

t.test(
  'When a value was encrypted for a key, then its token opens it, by the padding of the key alone',
  async t => {
    const { client, session } = await Client.open('charge')
    const block = encrypt(door.keys.plain, CARD)
    t.equal(await client.decrypt(session, 'plain', oaep(), block), CARD)
    t.equal(
      await client.decrypt(session, 'plain', oaep({ mgf: 0, source: 0 }), block),
      CARD,
      'as some leave them out',
    )
    const label = Buffer.from('cards')
    const sha1 = publicEncrypt(
      { key: door.keys.sha1, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepLabel: label },
      Buffer.from(CARD),
    )
    t.equal(await client.decrypt(session, 'sha1', oaep({ hash: CKM.SHA_1, mgf: 1, label }), sha1), CARD)
    const old = publicEncrypt(
      { key: door.keys.old, padding: constants.RSA_PKCS1_PADDING },
      Buffer.from(`\t${CARD}\t737\t12/27`),
    )
    t.equal(await client.decrypt(session, 'old/card.number', pkcs1(), old), CARD)
    t.equal(await client.decrypt(session, 'old/card.expiry', pkcs1(), old), '12/27')
    const { client: newer, session: its } = await Client.open('charge', { offered: 2 })
    t.equal(await newer.decrypt(its, 'plain', oaep({ offered: 2 }), block), CARD, 'offered 2')
    t.equal(await newer.decrypt(its, 'old/card.number', pkcs1(2), old), CARD, 'offered 2')
    for (const [name, mechanism, rv] of [
      ['plain', pkcs1(), CKR.MECHANISM_INVALID],
      ['old/card.number', oaep(), CKR.MECHANISM_INVALID],
      ['plain', oaep({ hash: CKM.SHA_1, mgf: 1 }), CKR.MECHANISM_PARAM_INVALID],
      ['plain', oaep({ mgf: 1 }), CKR.MECHANISM_PARAM_INVALID],
      ['plain', oaep({ label }), CKR.MECHANISM_PARAM_INVALID],
      ['raw-p', oaep(), CKR.KEY_FUNCTION_NOT_PERMITTED],
    ] as const)
      await refused(t, client.decrypt(session, name, mechanism, block), rv, `${name} 0x${rv.toString(16)}`)
  },
)

t.test(
  'When a key is bound, then its label is the context, and a value opens at its place alone',
  async t => {
    const { client, session } = await Client.open('charge')
    const block = encrypt(door.keys.bound, CARD, labelOf())
    t.equal(await client.decrypt(session, 'bound', oaep({ label: labelOf() }), block), CARD)
    t.match(await lastItems(), [{ key: 'bound@legacy', field: PLACE.field, records: [PLACE.record] }])
    const elsewhere = labelOf({ ...PLACE, record: 'cust_cards/43' })
    await refused(
      t,
      client.decrypt(session, 'bound', oaep({ label: elsewhere }), block),
      CKR.ENCRYPTED_DATA_INVALID,
      'another row',
    )
    for (const label of [
      labelOf({ ...PLACE, field: 'card.holder' }),
      new Uint8Array(),
      Buffer.from('claviger'),
    ])
      await refused(t, client.decrypt(session, 'bound', oaep({ label }), block), CKR.MECHANISM_PARAM_INVALID)
    const damaged = Buffer.from(block)
    damaged[100]! ^= 1
    await refused(
      t,
      client.decrypt(session, 'bound', oaep({ label: labelOf() }), damaged),
      CKR.ENCRYPTED_DATA_INVALID,
      'damaged: the same',
    )
  },
)

t.test('When a buffer is too small, or the block comes in parts, then the device is asked once', async t => {
  const { client, session } = await Client.open('charge')
  const block = encrypt(door.keys.plain, CARD)
  const key = await client.privateKey(session, 'plain')
  const opened = async () => (await door.admin.showKey('plain')).versions[0]!.opened!.count
  const before = await opened()
  const init = () => client.call('decryptInit', u(session), oaep(), u(key))
  await init()
  t.equal(readBytes(await client.call('decrypt', u(session), ay(block), room(0))), 256, 'at most')
  t.equal(await opened(), before)
  t.equal(readBytes(await client.call('decrypt', u(session), ay(block), room(8))), CARD.length)
  t.same(readBytes(await client.call('decrypt', u(session), ay(block), room(16))), Buffer.from(CARD))
  t.equal(await opened(), before + 1)
  await refused(t, client.call('decrypt', u(session), ay(block), room(16)), CKR.OPERATION_NOT_INITIALIZED)
  await init()
  for (const part of [block.subarray(0, 100), block.subarray(100)])
    t.same(readBytes(await client.call('decryptUpdate', u(session), ay(part), room(256))), new Uint8Array())
  t.same(readBytes(await client.call('decryptFinal', u(session), room(256))), Buffer.from(CARD))
  t.equal(await opened(), before + 2)
  await init()
  await refused(t, init(), CKR.OPERATION_ACTIVE)
  await client.call('decryptInit', u(session), noMechanism, u(0))
  for (const wrong of [block.subarray(1), Buffer.concat([block, block])]) {
    await init()
    await refused(t, client.call('decrypt', u(session), ay(wrong), room(256)), CKR.ENCRYPTED_DATA_LEN_RANGE)
  }
})

t.test('When a key gives raw secrets, then an agreement with it is an object of the session', async t => {
  for (const [purpose, name, curve] of [
    ['charge', 'raw-p', 'p'],
    ['contact', 'raw-x', 'x'],
  ] as const) {
    const { client, session } = await Client.open(purpose)
    const pair =
      curve === 'p' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('x25519')
    const raw = pair.publicKey.export({ type: 'spki', format: 'der' }).subarray(curve === 'p' ? -65 : -32)
    const key = await client.privateKey(session, name)
    const info = (await client.attributes(session, key, CKA.PUBLIC_KEY_INFO)).values[0] as Buffer
    const expected = diffieHellman({
      privateKey: pair.privateKey,
      publicKey: createPublicKey({ key: info, format: 'der', type: 'spki' }),
    })
    const derive = async (point: Uint8Array, ...attributes: [number, AttributeValue][]) =>
      (await client.call('deriveKey', u(session), ecdh(point), u(key), template(...attributes))).ulong()
    const value = async (object: number) =>
      (await client.attributes(session, object, CKA.VALUE, CKA.VALUE_LEN, CKA.TOKEN)).values
    const object = await derive(raw, [CKA.CLASS, CKO.SECRET_KEY], [CKA.SENSITIVE, false])
    t.same(await value(object), [expected, 32, false], name)
    const wrapped = Buffer.concat([Buffer.from([4, raw.length]), raw])
    t.same(await value(await derive(wrapped, [CKA.VALUE_LEN, 16])), [expected.subarray(16), 16, false])
    t.ok((await client.find(session, [CKA.CLASS, CKO.SECRET_KEY])).includes(object))
    await client.call('destroyObject', u(session), u(object))
    await refused(t, value(object), CKR.OBJECT_HANDLE_INVALID)
    for (const attribute of [
      [CKA.TOKEN, true],
      [CKA.EXTRACTABLE, false],
      [CKA.SENSITIVE, true],
      [CKA.VALUE_LEN, 33],
    ] as [number, AttributeValue][])
      await refused(t, derive(raw, attribute), CKR.TEMPLATE_INCONSISTENT, `${attribute}`)
    await refused(t, derive(raw.subarray(1)), CKR.MECHANISM_PARAM_INVALID)
    await refused(
      t,
      client.call('deriveKey', u(session), ecdh(raw, { kdf: 2 }), u(key), template()),
      CKR.MECHANISM_PARAM_INVALID,
    )
    await refused(
      t,
      client.call('deriveKey', u(session), ecdh(raw.subarray(0).fill(0)), u(key), template()),
      CKR.ENCRYPTED_DATA_INVALID,
      'no point',
    )
  }
  const { client, session } = await Client.open('charge')
  const plain = await client.privateKey(session, 'plain')
  await refused(
    t,
    client.call('deriveKey', u(session), ecdh(randomBytes(65)), u(plain), template()),
    CKR.KEY_FUNCTION_NOT_PERMITTED,
  )
})

t.test(
  'When a budget is used up, or a grant is gone, then that is told, and each is another value',
  async t => {
    const { appliance } = door.started
    const profile = await appliance.enrol('poor', 'operator', [], PIN)
    const budget = { per: 'day' as const, records: null, operations: 2, alarm: false }
    const grant = await door.admin.addGrant({ ...WIDE, agent: 'poor', key: 'plain', budgets: [budget] })
    const house = new House({
      profile,
      connect: () => appliance.connect(profile, { retryFor: 0 }),
      witness: { place: '', read: async () => null, write: async () => {} },
    })
    const { client, session } = await Client.open('charge', { house })
    const open = () => client.decrypt(session, 'plain', oaep(), encrypt(door.keys.plain, CARD))
    t.equal(await open(), CARD)
    t.equal(await open(), CARD)
    await refused(t, open(), CKR.FUNCTION_REJECTED)
    const key = await client.privateKey(session, 'plain')
    await door.admin.removeGrant(grant.id)
    await client.call('decryptInit', u(session), oaep(), u(key)).catch(() => {})
    await refused(
      t,
      client.call('decrypt', u(session), ay(encrypt(door.keys.plain, CARD)), room(256)),
      CKR.KEY_FUNCTION_NOT_PERMITTED,
    )
    await house.close()
  },
)

t.test('When the device is locked, then a login unlocks it, and a wrong PIN is one', async t => {
  const { client, session } = await Client.open('charge')
  await door.admin.lock()
  await refused(
    t,
    client.decrypt(session, 'plain', oaep(), encrypt(door.keys.plain, CARD)),
    CKR.USER_NOT_LOGGED_IN,
  )
  const login = (pin: string, user = 1) => client.call('login', u(session), u(user), ay(pin))
  await refused(t, login('999999'), CKR.PIN_INCORRECT)
  await refused(t, login(PIN, 0), CKR.USER_TYPE_INVALID)
  await login(PIN)
  await refused(t, login(PIN), CKR.USER_ALREADY_LOGGED_IN)
  t.equal(await client.decrypt(session, 'plain', oaep(), encrypt(door.keys.plain, CARD)), CARD)
  await client.call('logout', u(session))
  await refused(t, login('999999'), CKR.PIN_INCORRECT, 'though the device asks for none now')
  await login(PIN)
})

t.test(
  'When the server starts while the device is locked, then the purposes that it was told are there',
  async t => {
    const { appliance } = door.started
    const profile = await appliance.enrol('early', 'operator', ['plain'], PIN)
    await door.admin.lock()
    const options = {
      profile,
      connect: () => appliance.connect(profile, { retryFor: 0 }),
      witness: { place: '', read: async () => null, write: async () => {} },
    }
    const told = new House({ ...options, purposes: ['charge'] })
    const untold = new House(options)
    t.same(
      (await told.look()).tokens.map(({ label }) => label),
      ['charge'],
    )
    t.same(
      (await untold.look()).tokens.map(({ label }) => label),
      ['locked'],
    )
    const { client, session } = await Client.open('charge', { house: told })
    t.equal(await client.decrypt(session, 'plain', oaep(), encrypt(door.keys.plain, CARD)), CARD)
    await Promise.all([told.close(), untold.close()])
  },
)

t.test('When the device is gone, then its tokens are not present, and what is asked says so', async t => {
  const { appliance } = door.started
  const profile = await appliance.enrol('far', 'operator', ['plain'], PIN)
  let isGone = false
  const house = new House({
    profile,
    connect: async () => {
      const { ConnectionError } = await import('../../../host-agent/client/errors.ts')
      if (isGone) throw new ConnectionError('unreachable', 'gone')
      return appliance.connect(profile, { retryFor: 0 })
    },
    witness: { place: '', read: async () => null, write: async () => {} },
  })
  const { client, session, slot } = await Client.open('charge', { house })
  const key = await client.privateKey(session, 'plain')
  isGone = true
  await house.close()
  await client.call('decryptInit', u(session), oaep(), u(key))
  await refused(
    t,
    client.call('decrypt', u(session), ay(encrypt(door.keys.plain, CARD)), room(256)),
    CKR.DEVICE_REMOVED,
  )
  t.same(readNumbers(await client.call('getSlotList', y(1), room(8))), [])
  t.ok((readNumbers(await client.call('getSlotList', y(0), room(8))) as number[]).includes(slot))
  await refused(t, client.call('getTokenInfo', u(slot)), CKR.TOKEN_NOT_PRESENT)
  await refused(t, client.call('login', u(session), u(1), ay(PIN)), CKR.USER_ALREADY_LOGGED_IN)
})

t.test('When calls come in no order, then they are refused', async t => {
  const client = new Client()
  await refused(t, client.call('getInfo'), CKR.CRYPTOKI_NOT_INITIALIZED)
  await refused(t, client.call('initialize', ay('hello'), y(0), ay('')), CKR.GENERAL_ERROR)
  const { client: other, session } = await Client.open('charge')
  await refused(t, other.call('initialize', ay(HANDSHAKE), y(0), ay('')), CKR.CRYPTOKI_ALREADY_INITIALIZED)
  await refused(t, other.call('findObjects', u(session), room(1)), CKR.OPERATION_NOT_INITIALIZED)
  await refused(t, other.call('getSessionInfo', u(session + 1)), CKR.SESSION_HANDLE_INVALID)
  const { slot } = (await door.house.look()).tokens[0]!
  for (let i = 1; i < 64; i++) await other.call('openSession', u(slot), u(4))
  await refused(t, other.call('openSession', u(slot), u(4)), CKR.SESSION_COUNT)
  await other.call('closeAllSessions', u(slot))
  await refused(t, other.call('getSessionInfo', u(session)), CKR.SESSION_HANDLE_INVALID)
  await other.call('finalize')
  await refused(t, other.call('getInfo'), CKR.CRYPTOKI_NOT_INITIALIZED)
})

t.test(
  'When others connect to the socket, then it is the user’s alone, and nonsense ends its connection',
  async t => {
    t.equal((await stat(door.path)).mode & 0o777, 0o600)
    t.equal((await stat(join(door.path, '..'))).mode & 0o777, 0o700)
    await t.rejects(servePkcs11(door.path, door.house), { code: 'unreachable' }, 'it is served already')
    const socket = connect(door.path)
    socket.write(Uint8Array.of(2))
    t.same([...((await once(socket, 'data'))[0] as Buffer)], [1])
    socket.write(frame(5, request('getInfo')))
    const [answer] = (await once(socket, 'data')) as [Buffer]
    t.equal(answer.readUInt32BE(0), 5, 'the number of the request')
    t.same(readAnswer(answer.subarray(12)), { rv: CKR.CRYPTOKI_NOT_INITIALIZED })
    socket.write(Buffer.alloc(12, 0xff))
    await once(socket, 'close')
    t.pass('closed')
  },
)

t.test('When an attribute is asked for with a template in it, then the list is read to its end', async t => {
  const { Reader } = await import('../../../host-agent/plugins/pkcs11/wire/reader.ts')
  const bytes = Buffer.alloc(24)
  for (const [i, value] of [1, CKA.WRAP_TEMPLATE, 24, 1, CKA.TOKEN, 1].entries())
    bytes.writeUInt32BE(value, 4 * i)
  t.same(readWanted(new Reader(bytes)), [{ type: CKA.WRAP_TEMPLATE, room: 24 }])
})
