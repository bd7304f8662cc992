/**
 * What other programs encrypted: JWE, sealed boxes, stanzas of age, RSA with a label, and raw secrets. Each passes the same grants,
 * budgets and log as a token, and a key opens only what it was made for. Part of the behaviour suite.
 */
import {
  constants,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  publicEncrypt,
} from 'node:crypto'
import * as age from 'age-encryption'
import * as jose from 'jose'
import type { Test } from 'tap'
import type { Appliance } from '../../host-agent/client/appliance.ts'
import { handIn } from '../../host-agent/client/hand-in.ts'
import { sealer } from '../../host-agent/seal/seal.ts'
import { AGE_FIELD } from '../../protocol/api/routes.ts'
import type { DecryptItem } from '../../protocol/api/schemas.ts'
import { ageRecipient } from '../../protocol/envelope/age/recipient.ts'
import { contextInfo } from '../../protocol/envelope/context.ts'
import { parsePublicKey } from '../../protocol/envelope/token.ts'
import { WIDE } from '../support/appliance.ts'
import { ask as askProgram, missing } from '../support/programs.ts'
import { PATIENT } from '../support/requests.ts'
import { CARD, type House, PLACE } from './suite.ts'

const failed = { error: { code: 'open-failed' } }
const refused = (code: string) => ({ error: { code } })

export async function doors(t: Test, house: House): Promise<void> {
  const { appliance, admin } = house
  const { tries } = await admin.showSettings()
  await admin.changeSettings(PATIENT)
  t.teardown(() => admin.changeSettings({ tries }))
  const names = ['jose-x', 'jose-p', 'boxes', 'files-x', 'files-p', 'files-q']
  for (const [name, suite, use] of [
    ['jose-x', 'x', undefined],
    ['jose-p', 'p', 'fields'],
    ['boxes', 'x', 'contextless'],
    ['files-x', 'x', 'files'],
    ['files-p', 'p', 'files'],
    ['files-q', 'q', 'files'],
    ['raw-x', 'x', 'derive'],
    ['raw-p', 'p', 'derive'],
  ] as const) {
    const made = await admin.createKey(name, suite, use)
    t.equal(made.use, use ?? 'fields', name)
    t.equal(made.exportable, false)
  }
  const desk = await appliance.connect(await appliance.enrol('desk-1', 'operator', names))
  const open = async (...items: DecryptItem[]) => (await desk.decrypt({ purpose: 'charge', items })).results
  const item = (ciphertext: string, more: Partial<DecryptItem> = {}): DecryptItem => ({
    ciphertext,
    context: PLACE,
    ...more,
  })
  const bytesOf = async (name: string) =>
    parsePublicKey((await admin.showKey(name)).versions.at(-1)!.publicKey)
  const lastEntry = async () => {
    const { index } = (await desk.decrypt({ purpose: 'charge', items: [item('x')] })).audit
    const { entries } = await admin.auditEntries({ from: index - 1, limit: 1 })
    return JSON.parse(entries[0]!)
  }
  const keySet = async (by: Appliance = desk) => (await by.keySet()).keys
  const jweFor = async (kid: string, header: object = {}, value = CARD) => {
    const { kid: _, use: __, ...jwk } = (await keySet()).find(key => key.kid === kid)!
    return new jose.CompactEncrypt(new TextEncoder().encode(value))
      .setProtectedHeader({ alg: jwk.alg, enc: 'A256GCM', kid, clv: PLACE, crit: ['clv'], ...header })
      .encrypt(await jose.importJWK(jwk as jose.JWK, jwk.alg), { crit: { clv: true } })
  }

  await t.test(
    'When a JOSE library takes a key of the set, then what it encrypts opens at its place',
    async t => {
      await admin.rotateKey('jose-x')
      const kids = (await keySet()).map(({ kid }) => kid).filter(kid => names.includes(kid.split('@')[0]!))
      t.same(kids, ['jose-x@2', 'jose-x@1', 'jose-p@1', 'boxes@1'], 'none for files or raw secrets')
      t.ok((await keySet(admin)).every(({ use }) => use === 'enc'))
      for (const kid of ['jose-x@1', 'jose-x@2', 'jose-p@1']) {
        const text = await jweFor(kid)
        t.same(await open(item(text)), [{ value: CARD }], kid)
        t.match((await lastEntry()).items, [
          { key: kid, field: PLACE.field, form: 'jwe', records: [PLACE.record] },
        ])
        t.same(await open(item(text, { reveal: 'last4' })), [{ value: '4242' }])
        for (const place of [
          { ...PLACE, record: 'cust_cards/43' },
          { ...PLACE, field: 'card.holder' },
        ])
          t.same(await open(item(text, { context: place })), [failed], 'elsewhere')
      }
      const json = await new jose.FlattenedEncrypt(new TextEncoder().encode(CARD))
        .setProtectedHeader({ alg: 'ECDH-ES+A256KW', enc: 'A128GCM', kid: 'jose-p', clv: PLACE })
        .encrypt(
          await jose.importJWK(
            (await keySet()).find(({ kid }) => kid === 'jose-p@1')! as jose.JWK,
            'ECDH-ES',
          ),
        )
      t.same(await open(item(JSON.stringify(json))), [{ value: CARD }], 'JSON, and the newest version')
    },
  )

  await t.test('When many are asked for at once, then each has its own result, in order', async t => {
    const [good, boxed] = [await jweFor('jose-x@2'), await jweFor('jose-p@1')]
    const many = Array.from({ length: 300 }, (_, i) => {
      if (i % 7 === 3) return [`${good.slice(0, -4)}AAAA`, failed] as const
      if (i % 7 === 5) return ['nothing', refused('bad-token')] as const
      return [i % 2 ? good : boxed, { value: CARD }] as const
    })
    t.same(
      await open(...many.map(([text]) => item(text))),
      many.map(([, result]) => result),
    )
  })

  await t.test('When a JWE is of another key, or names none, then it does not open', async t => {
    const text = await jweFor('jose-x@2')
    t.same(await open(item(await jweFor('jose-x@2', { kid: 'jose-x@1' }))), [failed])
    t.same(await open(item(await jweFor('jose-x@2', { kid: 'jose-x@9' }))), [failed])
    t.same(await open(item(await jweFor('jose-x@2', { kid: 'Bob' }))), [refused('bad-token')])
    t.same(await open(item(await jweFor('jose-x@2', { kid: 'Bob' }), { key: 'jose-x' })), [{ value: CARD }])
    t.same(await open(item(await jweFor('jose-x@1', { kid: 'Bob' }), { key: 'jose-x@1' })), [{ value: CARD }])
    t.same(await open(item(await jweFor('jose-x@2', { kid: 'orders' }))), [refused('not-granted')])
    t.same(await open(item(`${text.slice(0, -4)}AAAA`)), [failed])
    t.same(await open(item(text.slice(0, -1))), [refused('bad-token')])
    const cvv = { field: 'card.cvv', record: '' }
    t.same(await open(item(await jweFor('jose-x@2', { clv: cvv }), { context: cvv })), [
      refused('forbidden-field'),
    ])
  })

  await t.test('When a JWE says no place, then only a key that was made for that opens it', async t => {
    const without = { clv: undefined, crit: undefined }
    t.same(await open(item(await jweFor('jose-x@2', without))), [refused('wrong-use')])
    t.same(await open(item(await jweFor('boxes@1', without))), [{ value: CARD }])
    t.match((await lastEntry()).items, [{ key: 'boxes@1', form: 'jwe-unbound' }])
    t.same(await open(item(await jweFor('boxes@1'))), [{ value: CARD }], 'with a place it opens, too')
    t.same(await open(item(await jweFor('boxes@1'), { context: { ...PLACE, record: 'x' } })), [failed])
  })

  const noPhp = missing('php', '-r', 'exit(function_exists("sodium_crypto_box_seal") ? 0 : 1);')
  await t.test(
    'When PHP seals a box, then only a key that was made for that opens it',
    { skip: noPhp },
    async t => {
      const PHP = `$g = json_decode(stream_get_contents(STDIN), true);
      echo json_encode(array_map(fn ($k) => base64_encode(sodium_crypto_box_seal($g['value'], base64_decode($k))), $g['keys']));`
      const keys = await Promise.all(
        ['boxes', 'jose-x', 'files-x'].map(async name =>
          Buffer.from((await bytesOf(name)).bytes).toString('base64'),
        ),
      )
      const [box, other, file] = askProgram<string[]>('php', ['-r', PHP], { value: CARD, keys })
      t.same(await open(item(box!, { key: 'boxes' })), [{ value: CARD }])
      t.match((await lastEntry()).items, [{ key: 'boxes@1', field: PLACE.field, form: 'sealed-box' }])
      t.same(await open(item(box!)), [refused('bad-token')], 'without its key')
      t.same(await open(item(other!, { key: 'jose-x' })), [refused('wrong-use')])
      t.same(await open(item(file!, { key: 'files-x' })), [refused('wrong-use')])
      t.same(await open(item(other!, { key: 'boxes' })), [failed], 'of another key')
      t.same(await open(item(box!, { key: 'boxes@7' })), [failed], 'no such version')
      t.same(await open(item(box!, { key: 'orders' })), [refused('not-granted')])

      await admin.addGrant({ ...WIDE, agent: 'desk-1', key: 'boxes', reveal: ['rewrap'], target: 'jose-x' })
      const { results } = await desk.rewrap({
        purpose: 'charge',
        target: 'jose-x',
        items: [{ ciphertext: box!, key: 'boxes', context: PLACE }],
      })
      const { token } = results[0]!.tokens![0]!
      t.ok(token.startsWith('clv1.x.jose-x.2.'))
      t.same(await open(item(token)), [{ value: CARD }], 'sealed again, it is bound to its place')
    },
  )

  await t.test(
    'When a stock age encrypts a file, then its file key is given, for every kind of key',
    async t => {
      for (const [name, letter] of [
        ['files-x', 'x'],
        ['files-p', 'p'],
        ['files-q', 'q'],
      ] as const) {
        const recipient = ageRecipient(letter, (await bytesOf(name)).bytes)
        const encrypter = new age.Encrypter()
        encrypter.addRecipient(recipient)
        const file = await encrypter.encrypt('the books of 2026')
        const decrypter = new age.Decrypter()
        let seen: unknown
        decrypter.addIdentity({
          async unwrapFileKey(stanzas: age.Stanza[]) {
            const ciphertext = textOf(stanzas[0]!)
            const context = { field: AGE_FIELD, record: 'books.age' }
            const [result] = await open(item(ciphertext, { key: name, context }))
            seen = result
            return Buffer.from(result!.value ?? '', 'base64url')
          },
        })
        t.equal(Buffer.from(await decrypter.decrypt(file)).toString(), 'the books of 2026', name)
        t.match(seen, { encoding: 'base64url', value: /^[\w-]{22}$/ })
        t.match((await lastEntry()).items, [
          { key: `${name}@1`, field: AGE_FIELD, form: 'age', records: ['books.age'] },
        ])
      }
    },
  )

  await t.test('When a stanza is for another, then that is said, and takes no room', async t => {
    const stanzaFor = async (recipient: string) => {
      const stanzas: age.Stanza[] = []
      const encrypter = new age.Encrypter()
      encrypter.addRecipient(recipient)
      const decrypter = new age.Decrypter()
      decrypter.addIdentity({
        unwrapFileKey: (given: age.Stanza[]) => {
          stanzas.push(...given)
          return null
        },
      })
      await decrypter.decrypt(await encrypter.encrypt('x')).catch(() => {})
      return textOf(stanzas[0]!)
    }
    const mine = await stanzaFor(ageRecipient('p', (await bytesOf('files-p')).bytes))
    const plain = await stanzaFor(ageRecipient('x', (await bytesOf('files-x')).bytes))
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const stranger = pair.publicKey.export({ format: 'raw-public' })
    const theirs = await stanzaFor(ageRecipient('p', new Uint8Array(stranger)))
    await admin.rotateKey('files-p')

    const context = { field: AGE_FIELD, record: '' }
    const budget = { per: 'day' as const, records: 2, operations: null, alarm: false }
    const limited = await appliance.connect(await appliance.enrol('desk-2', 'operator'))
    for (const key of ['files-p', 'files-x'])
      await admin.addGrant({ ...WIDE, agent: 'desk-2', key, fields: [AGE_FIELD], budgets: [budget] })
    const ask = async (ciphertext: string, key: string, place = context) =>
      (await limited.decrypt({ purpose: 'charge', items: [{ ciphertext, key, context: place }] })).results[0]!
    for (let i = 0; i < 10; i++) t.same(await ask(theirs, 'files-p'), refused('not-mine'))
    t.same(await ask(plain, 'files-p'), refused('not-mine'), 'of another type')
    t.same(await ask('-> ssh-ed25519 AAAA\nAAAA\n', 'files-p'), refused('not-mine'))
    t.same(await ask(mine, 'files-p@2'), refused('not-mine'), 'of another version')
    t.match(await ask(mine, 'files-p'), { value: /./ }, 'its tag finds the older version')
    t.same(await ask(mine, 'files-p', { ...context, field: 'card.number' }), refused('bad-context'))
    t.same(await ask(mine.slice(0, -1), 'files-p'), refused('bad-token'))
    t.match(await ask(mine, 'files-p', { ...context, record: 'one' }), { value: /./ })
    await t.rejects(
      ask(mine, 'files-p', { ...context, record: 'one' }),
      { code: 'over-budget' },
      'each opening is a record',
    )
    t.same(await ask(theirs, 'files-p').catch(error => error.code), 'over-budget')
    t.same(await open(item(plain, { key: 'jose-x', context })), [refused('wrong-use')])
    t.same(await open(item(plain, { context })), [refused('bad-context')], 'without its key')
  })

  await t.test(
    'When a key is for files or raw secrets, then it opens nothing else and nothing is sealed again',
    async t => {
      for (const name of ['files-x', 'raw-x']) {
        const token = sealer((await admin.showKey(name)).versions[0]!.publicKey)(PLACE, CARD)
        if (name === 'files-x') t.same(await open(item(token)), [refused('wrong-use')])
        await t.rejects(admin.makeCanary(name, { ...PLACE, value: CARD }), { code: 'bad-key' })
        await t.rejects(admin.addGrant({ ...WIDE, agent: 'desk-1', key: name, reveal: ['rewrap'] }), {
          code: 'bad-key',
        })
      }
      await t.rejects(admin.addGrant({ ...WIDE, agent: 'desk-1', key: 'raw-x' }), { code: 'bad-key' })
      await t.rejects(
        admin.addGrant({ ...WIDE, agent: 'desk-1', key: 'raw-x', reveal: ['derive', 'full'] }),
        {
          code: 'bad-key',
        },
      )
      await t.rejects(admin.addGrant({ ...WIDE, agent: 'desk-1', key: 'orders', reveal: ['derive'] }), {
        code: 'bad-key',
      })
      await t.rejects(admin.createKey('raw-q', 'q', 'derive'), { code: 'bad-key' })
      await t.rejects(admin.createKey('boxes-q', 'q', 'contextless'), { code: 'bad-key' })
      await t.rejects(admin.createKey('jwks.json'), { code: 'bad-key' })
      t.equal((await admin.rotateKey('raw-x')).use, 'derive', 'a new version is for the same')
    },
  )

  await t.test(
    'When raw secrets are granted, then they are what the two keys agree on, and logged',
    async t => {
      const own = { x: generateKeyPairSync('x25519'), p: generateKeyPairSync('ec', { namedCurve: 'P-256' }) }
      const context = { field: 'pkcs11.derive', record: 'token-1' }
      const spki = (key: KeyObject) => key.export({ type: 'spki', format: 'der' }).toString('base64url')
      const raw = (key: KeyObject) => Buffer.from(key.export({ format: 'raw-public' })).toString('base64url')
      const body = { purpose: 'charge', key: 'raw-x', public: raw(own.x.publicKey), context }
      await t.rejects(desk.derive(body), { code: 'not-granted' })
      const question = { agent: 'desk-1', field: PLACE.field, purpose: 'charge', reveal: 'derive' as const }
      const explained = await admin.explainGrant({ ...question, key: 'jose-x' })
      t.match(explained, { allowed: false, code: 'not-granted' }, 'who may see all is given no raw secret')
      for (const key of ['raw-x', 'raw-p'])
        await admin.addGrant({ ...WIDE, agent: 'desk-1', key, fields: ['pkcs11.derive'], reveal: ['derive'] })
      for (const suite of ['x', 'p'] as const) {
        const { bytes } = parsePublicKey((await admin.showKey(`raw-${suite}`)).versions[0]!.publicKey)
        const theirs = createPublicKey({
          key: Buffer.from(bytes),
          format: 'raw-public',
          ...(suite === 'x'
            ? { asymmetricKeyType: 'x25519' }
            : { asymmetricKeyType: 'ec', namedCurve: 'P-256' }),
        })
        const wanted = diffieHellman({ privateKey: own[suite].privateKey, publicKey: theirs }).toString(
          'base64url',
        )
        for (const text of [raw(own[suite].publicKey), spki(own[suite].publicKey)]) {
          const { secret, audit } = await desk.derive({
            ...body,
            key: `raw-${suite}`,
            version: 1,
            public: text,
          })
          t.equal(secret, wanted, suite)
          const { entries } = await admin.auditEntries({ from: audit.index, limit: 1 })
          t.match(JSON.parse(entries[0]!), {
            action: 'derive',
            outcome: 'allowed',
            items: [
              {
                key: `raw-${suite}@1`,
                field: 'pkcs11.derive',
                reveal: 'derive',
                form: 'derive',
                records: ['token-1'],
              },
            ],
          })
          t.notMatch(entries[0]!, secret)
        }
      }
      t.not(
        (await desk.derive(body)).secret,
        (await desk.derive({ ...body, version: 1 })).secret,
        'the newest, unless told',
      )
      await t.rejects(desk.derive({ ...body, public: raw(own.p.publicKey) }), { code: 'open-failed' })
      await t.rejects(
        desk.derive({ ...body, public: 'A'.repeat(43) }),
        { code: 'open-failed' },
        'of low order',
      )
      await t.rejects(desk.derive({ ...body, public: 'AAAA' }), { code: 'bad-key' })
      await t.rejects(desk.derive({ ...body, version: 9 }), { code: 'open-failed' })
      await t.rejects(desk.derive({ ...body, key: 'orders' }), { code: 'not-granted' })
      await t.rejects(admin.derive(body), { code: 'wrong-role' })
      t.ok((await admin.showKey('raw-x')).versions[0]!.opened!.count >= 3, 'they count as openings')
    },
  )

  await t.test('When an imported key is bound, then its values open at their place alone', async t => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const form = { padding: 'oaep-sha256' as const, separator: '\t', fields: ['card.number'] }
    const der = () => privateKey.export({ type: 'pkcs8', format: 'der' })
    const bound = await handIn(admin, appliance.admin, { name: 'rsa-bound', bound: true, ...form }, der())
    t.equal(bound.legacy!.bound, true)
    const open1 = await handIn(admin, appliance.admin, { name: 'rsa-jwe', ...form }, der())
    t.equal(open1.legacy!.bound, undefined)
    await t.rejects(
      handIn(admin, appliance.admin, { name: 'rsa-bad', ...form, padding: 'pkcs1', bound: true }, der()),
      { code: 'bad-key' },
    )
    for (const key of ['rsa-bound', 'rsa-jwe']) await admin.addGrant({ ...WIDE, agent: 'desk-1', key })
    const info = contextInfo({ namespace: 'default', key: 'rsa-bound', ...PLACE })
    const ciphertext = publicEncrypt(
      {
        key: publicKey,
        padding: constants.RSA_PKCS1_OAEP_PADDING,
        oaepHash: 'sha256',
        oaepLabel: Buffer.from(info),
      },
      Buffer.from(CARD),
    ).toString('base64')
    t.same(await open(item(ciphertext, { key: 'rsa-bound' })), [{ value: CARD }])
    t.same(await open(item(ciphertext, { key: 'rsa-bound', context: { ...PLACE, record: 'x' } })), [failed])
    t.same(await open(item(ciphertext, { key: 'rsa-jwe' })), [failed])

    const jwe = await jweFor('rsa-jwe@1')
    t.same(await open(item(jwe)), [{ value: CARD }])
    t.match((await lastEntry()).items, [{ key: 'rsa-jwe@legacy', form: 'jwe' }])
    t.same(await open(item(jwe, { key: 'rsa-bound' })), [refused('wrong-use')])
    t.same(await open(item(jwe, { context: { ...PLACE, record: 'x' } })), [failed])
    t.same(
      await open(item(await jweFor('rsa-jwe@1', {}, `${CARD}\t737`))),
      [failed],
      'a payload of another form',
    )
    t.notOk((await keySet()).some(({ kid }) => kid.startsWith('rsa-bound')))
  })

  await t.test('When a version is retired, then nothing of it opens and it leaves the set', async t => {
    const text = await jweFor('jose-x@1')
    await admin.setMinimum('jose-x', 2)
    t.same(await open(item(text)), [refused('key-retired')])
    t.notOk((await keySet()).some(({ kid }) => kid === 'jose-x@1'))
    await admin.setMinimum('jose-x', 1)
    t.same(await open(item(text)), [{ value: CARD }])
  })
}

/** A stanza as it stands in a header. */
function textOf({ args, body }: age.Stanza): string {
  const base64 = Buffer.from(body).toString('base64').replace(/=+$/, '')
  return `-> ${args.join(' ')}\n${base64}\n`
}
