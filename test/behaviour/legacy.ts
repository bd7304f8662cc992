/** Keys that a shop used before, and sealing again what they open. Part of the behaviour suite. */
import { constants, generateKeyPairSync, type KeyObject, publicEncrypt } from 'node:crypto'
import type { Test } from 'tap'
import { handIn } from '../../host-agent/client/hand-in.ts'
import { sealer } from '../../host-agent/seal/seal.ts'
import type { ImportKeyBody } from '../../protocol/api/schemas.ts'
import type { HandedIn } from '../../protocol/envelope/hand-in.ts'
import { PASSPHRASE, WIDE } from '../support/appliance.ts'
import { PATIENT } from '../support/requests.ts'
import { CARD, type House, one, PLACE } from './suite.ts'

const CODE = '737'
/** As a shop of 2005 stored it: tab, number, tab, code, tab, expiry. */
const payloadOf = (expiry: string) => `\t${CARD}\t${CODE}\t${expiry}`
const RULE = { separator: '\t', fields: ['', 'card.number', '', 'card.expiry'] }
/** What such a column holds at most. */
const COLUMN = 127

const encrypt = (key: KeyObject, payload: string, padding = constants.RSA_PKCS1_PADDING) =>
  publicEncrypt({ key, padding }, Buffer.from(payload)).toString('base64')

const derOf = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'der' })

export async function legacy(t: Test, house: House): Promise<void> {
  const { appliance, admin, till, tillProfile } = house
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const importKey = (name: string, key: KeyObject, rule: Partial<HandedIn> = {}, by = admin) =>
    handIn(by, appliance.admin, { name, padding: 'pkcs1', ...RULE, ...rule }, derOf(key))
  const { tries } = await admin.showSettings()
  await admin.changeSettings(PATIENT)
  t.teardown(() => admin.changeSettings({ tries }))
  const PAYLOAD = payloadOf('12/27')
  const failed = { error: { code: 'open-failed' } }
  const row = encrypt(publicKey, PAYLOAD)
  const asked = (ciphertext: string, field = 'card.number', key = 'old-cards') => ({
    purpose: 'charge',
    items: [{ ciphertext, key, context: { field, record: 'cust_cards/42' } }],
  })

  t.test('When a key is imported, then it is shown as legacy, by its public half alone', async t => {
    const key = await importKey('old-cards', privateKey)
    t.same(key.legacy, { bits: 2048, padding: 'pkcs1', ...RULE })
    t.equal(key.versions[0]!.publicKey, publicKey.export({ type: 'spki', format: 'pem' }))
    t.same(await admin.showKey('old-cards'), key)
    t.notMatch(JSON.stringify(await admin.listKeys()), /PRIVATE/)
    await t.rejects(importKey('old-cards', privateKey), { code: 'key-exists' })
    await t.rejects(admin.rotateKey('old-cards'), { code: 'bad-key' })
    await t.rejects(admin.makeCanary('old-cards', { ...PLACE, value: CARD }), { code: 'bad-key' })
    await t.rejects(importKey('other', privateKey, {}, till), { code: 'wrong-role' })
  })

  t.test(
    'When a key cannot be used, or a payload would keep what must not be kept, then it is not imported',
    async t => {
      const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
      const small = generateKeyPairSync('rsa', { modulusLength: 512 }).privateKey
      const pss = generateKeyPairSync('rsa-pss', { modulusLength: 1024 }).privateKey
      for (const key of [ec, small, pss]) await t.rejects(importKey('bad', key), { code: 'bad-key' })
      const keeping = { fields: ['card.number', 'card.cvv'] }
      await t.rejects(importKey('bad', privateKey, keeping), { code: 'forbidden-field' })
      for (const fields of [[''], ['card.number', 'card.number'], ['Card']])
        await t.rejects(importKey('bad', privateKey, { fields }), { code: 'bad-key' })
      await t.rejects(admin.showKey('bad'), { code: 'unknown-key' })
    },
  )

  t.test('When somebody on the way changes what is handed in, or keeps it, then it is of no use', async t => {
    const sent: ImportKeyBody[] = []
    const seeing = {
      importTicket: admin.importTicket,
      importKey: (body: ImportKeyBody) => {
        sent.push(body)
        return admin.importKey({ ...body, fields: ['', 'card.number', 'card.code', 'card.expiry'] })
      },
    }
    const what = { name: 'watched', padding: 'pkcs1' as const, ...RULE }
    await t.rejects(handIn(seeing, appliance.admin, what, derOf(privateKey)), { code: 'open-failed' })
    await t.rejects(admin.importKey(sent[0]!), { code: 'open-failed' }, 'its ticket is used up')
    const der = derOf(privateKey).toString('hex')
    t.notOk(Buffer.from(sent[0]!.sealed, 'base64url').toString('hex').includes(der.slice(40, 120)))
    const [first, second] = [await admin.importTicket(), await admin.importTicket()]
    t.not(first.publicKey, second.publicKey)
    for (const ticket of [
      { ...first, signature: second.signature },
      { publicKey: Buffer.alloc(32, 9).toString('base64url'), signature: first.signature },
      { publicKey: 'AA', signature: 'AA' },
    ]) {
      const lying = { ...seeing, importTicket: async () => ticket }
      await t.rejects(handIn(lying, appliance.admin, what, derOf(privateKey)), { code: 'bad-key' })
    }
    t.equal(sent.length, 1, 'nothing was sent to a key that the device did not sign')
    const late = { ...seeing, importTicket: async () => first, importKey: admin.importKey }
    await t.rejects(handIn(late, appliance.admin, what, derOf(privateKey)), { code: 'open-failed' })
    await t.rejects(admin.showKey('watched'), { code: 'unknown-key' })
  })

  t.test(
    'When a value was encrypted the old way, then a grant opens its parts, but for what is dropped',
    async t => {
      t.same((await till.decrypt(asked(row))).results, [{ error: { code: 'not-granted' } }])
      await admin.addGrant({ ...WIDE, agent: 'till-1', key: 'old-cards' })
      t.same((await till.decrypt(asked(row))).results, [{ value: CARD }])
      t.same((await till.decrypt(asked(row, 'card.expiry'))).results, [{ value: '12/27' }])
      const wrapped = row.replace(/.{64}/g, '$&\r\n')
      t.same((await till.decrypt(asked(wrapped))).results, [{ value: CARD }], 'with line breaks')
      t.same((await till.decrypt(asked(row, 'card.code'))).results, [failed], 'a field that it does not have')
      t.same((await till.decrypt(asked(row, 'card.cvv'))).results, [{ error: { code: 'forbidden-field' } }])
      t.same((await till.decrypt(one(row))).results, [{ error: { code: 'bad-token' } }], 'without the key')
    },
  )

  t.test('Whatever is wrong with a value, it is the one error', async t => {
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const bytes = Buffer.from(row, 'base64')
    const flipped = Uint8Array.from(bytes, (byte, i) => (i === 100 ? byte ^ 1 : byte))
    const wrong: Record<string, string> = {
      'another key': encrypt(other.publicKey, PAYLOAD),
      'a flipped bit': Buffer.from(flipped).toString('base64'),
      'cut off': bytes.subarray(0, -1).toString('base64'),
      'too long': Buffer.concat([bytes, Buffer.alloc(1)]).toString('base64'),
      zeros: Buffer.alloc(256).toString('base64'),
      'larger than the modulus': Buffer.alloc(256, 255).toString('base64'),
      OAEP: encrypt(publicKey, PAYLOAD, constants.RSA_PKCS1_OAEP_PADDING),
      'another form': encrypt(publicKey, CARD),
      'one part more': encrypt(publicKey, `${PAYLOAD}\t`),
      'not text': encrypt(publicKey, '\t4242\u0000\t1\t2'),
      empty: encrypt(publicKey, ''),
    }
    for (const [name, ciphertext] of Object.entries(wrong))
      t.same((await till.decrypt(asked(ciphertext))).results, [failed], name)
    t.same((await till.decrypt(asked('no base64!'))).results, [{ error: { code: 'bad-token' } }])
    await admin.addGrant({ ...WIDE, agent: 'till-1', key: 'orders' })
    t.same(
      (await till.decrypt(asked(row, 'card.number', 'orders'))).results,
      [{ error: { code: 'wrong-use' } }],
      'a key that was made here',
    )
  })

  t.test('When nobody may rewrap, then nothing is sealed again', async t => {
    const items = [{ ciphertext: row, key: 'old-cards', context: { record: 'cust_cards/42' } }]
    const refused = [{ error: { code: 'not-granted' } }]
    t.same((await till.rewrap({ purpose: 'charge', target: 'orders', items })).results, refused)
    await t.rejects(till.rewrap({ purpose: 'charge', items }), { code: 'malformed-request' })
    await t.rejects(admin.rewrap({ purpose: 'charge', target: 'orders', items }), { code: 'wrong-role' })
    await t.rejects(
      admin.addGrant({
        ...WIDE,
        agent: 'till-1',
        key: 'old-cards',
        reveal: ['rewrap'],
        purposes: ['rewrap'],
      }),
      { code: 'bad-key' },
      'nor is a grant to seal under an imported key',
    )
  })

  t.test('When old rows are rewrapped, then there are tokens that fit, and the code is gone', async t => {
    const mover = await appliance.connect(await appliance.enrol('mover', 'operator'))
    const grant = {
      ...WIDE,
      agent: 'mover',
      key: 'old-cards',
      purposes: ['rewrap'],
      reveal: ['rewrap' as const],
    }
    await admin.addGrant({ ...grant, target: 'orders' })
    const question = { agent: 'mover', key: 'old-cards', field: 'card.number', purpose: 'rewrap' }
    const asking = { ...question, reveal: 'rewrap' as const }
    t.match(await admin.explainGrant({ ...asking, target: 'orders' }), { allowed: true })
    t.match(await admin.explainGrant(asking), { allowed: false, rules: [{ outcome: 'target' }] })
    t.match(await admin.explainGrant({ ...question, reveal: 'full' }), { allowed: false })
    const rows = Array.from({ length: 10 }, (_, i) => ({
      ciphertext: i === 5 ? encrypt(publicKey, 'nothing') : encrypt(publicKey, payloadOf(`0${i}/28`)),
      key: 'old-cards',
      context: { record: `cust_cards/${i}` },
      ref: `${i}`,
    }))
    const { results, audit } = await mover.rewrap({ purpose: 'rewrap', target: 'orders', items: rows })
    t.equal(results.length, 10)
    t.same(results[5], { ref: '5', ...failed }, 'one bad row fails alone')
    for (const [i, { ref, tokens }] of results.entries()) {
      if (i === 5) continue
      t.equal(ref, `${i}`)
      t.same(
        tokens!.map(({ field }) => field),
        ['card.number', 'card.expiry'],
      )
      for (const { token } of tokens!) t.ok(token.length <= COLUMN, `${token.length} characters`)
      const [number, expiry] = tokens!.map(({ field, token }) => ({
        ciphertext: token,
        context: { field, record: `cust_cards/${i}` },
      }))
      const { results } = await till.decrypt({ purpose: 'charge', items: [number!, expiry!] })
      t.same(results, [{ value: CARD }, { value: `0${i}/28` }])
    }
    const books = await appliance.connect(await appliance.enrol('books-2', 'auditor'))
    const { entries } = await books.auditEntries({ from: audit.index, limit: 1 })
    t.match(JSON.parse(entries[0]!), {
      action: 'rewrap',
      outcome: 'allowed',
      purpose: 'rewrap',
      count: 10,
      items: [{ key: 'old-cards@legacy', field: 'card.number card.expiry', reveal: 'rewrap' }],
      detail: { target: 'orders' },
    })
    t.same((await mover.decrypt(asked(row))).results, [{ error: { code: 'not-granted' } }], 'it may not read')
    t.same(
      (await mover.rewrap({ purpose: 'rewrap', target: 'private-2', items: rows.slice(0, 1) })).results[0]!
        .error,
      { code: 'not-granted' },
      'nor seal under another key',
    )
  })

  t.test('When tokens are of an older version, then they are rewrapped in place', async t => {
    const made = await admin.createKey('moving', 'p')
    const keeper = await appliance.connect(await appliance.enrol('keeper-2', 'operator', ['moving']))
    await admin.addGrant({
      ...WIDE,
      agent: 'keeper-2',
      key: 'moving',
      reveal: ['rewrap'],
      purposes: ['rotate'],
    })
    const old = sealer(made.versions[0]!.publicKey)(PLACE, CARD)
    await admin.rotateKey('moving')
    const items = [{ ciphertext: old, context: PLACE }]
    const { results } = await keeper.rewrap({ purpose: 'rotate', items })
    const { token } = results[0]!.tokens![0]!
    t.match(token, /^clv1\.p\.moving\.2\./)
    t.same((await keeper.decrypt(one(token))).results, [{ value: CARD }])
    const moved = [{ ciphertext: old, context: { ...PLACE, record: 'cust_cards/43' } }]
    t.same(
      (await keeper.rewrap({ purpose: 'rotate', items: moved })).results,
      [failed],
      'not for another place',
    )
  })

  t.test('When a canary is rewrapped, then the device locks down', async t => {
    const mover = await appliance.connect(await appliance.enrol('mover-2', 'operator'))
    await admin.addGrant({ ...WIDE, agent: 'mover-2', key: 'orders', reveal: ['rewrap'] })
    const { token } = await admin.makeCanary('orders', { ...PLACE, value: CARD })
    const items = [{ ciphertext: token, context: PLACE }]
    t.same((await mover.rewrap({ purpose: 'charge', items })).results, [failed])
    t.equal((await admin.status()).state, 'lockdown')
    await admin.liftLockdown(PASSPHRASE)
    await till.unlock({ pin: '246810', hostShare: tillProfile.hostShare! })
    t.same((await till.decrypt(asked(row))).results, [{ value: CARD }], 'and the imported key is there again')
  })
}
