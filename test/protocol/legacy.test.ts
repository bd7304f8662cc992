/**
 * Legacy envelopes: what PHP and OpenSSL encrypted opens, whatever else there is gives the one error, and a bad padding is not
 * told from a bad payload.
 */
import { spawnSync } from 'node:child_process'
import {
  constants,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
} from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { OpenError } from '../../protocol/envelope/errors.ts'
import {
  importLegacyKey,
  type LegacyForm,
  openLegacies,
  openLegacy,
  proveLegacyKey,
  readLegacyText,
} from '../../protocol/envelope/legacy.ts'
import { LEGACY_CHARSETS } from '../../protocol/envelope/legacy-charset.ts'
import { checkForm, splitPayload } from '../../protocol/envelope/legacy-payload.ts'
import { noteProgram, versionOf } from '../support/compatibility.ts'
import { missing } from '../support/programs.ts'

const CARD: LegacyForm = { padding: 'pkcs1', separator: '\t', fields: ['', 'card.number', '', 'card.expiry'] }
const PAYLOAD = '\t4242424242424242\t737\t12/27'
const PARTS = ['4242424242424242', '12/27']

const derOf = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'der' })
const textOf = (parts: Uint8Array[]) => parts.map(part => Buffer.from(part).toString())
const pair = generateKeyPairSync('rsa', { modulusLength: 1024 })
const key = importLegacyKey(derOf(pair.privateKey), CARD)
const encrypt = (payload: string | Uint8Array, publicKey = pair.publicKey) =>
  publicEncrypt({ key: publicKey, padding: constants.RSA_PKCS1_PADDING }, Buffer.from(payload))

/** What came of an opening: its parts, or the whole of its error. */
function outcome(
  ciphertext: Uint8Array,
  privateKey = key,
): string[] | { name: string; code: string; message: string } {
  try {
    return textOf(openLegacy({ privateKey, ciphertext }))
  } catch (error) {
    const { name, code, message } = error as OpenError
    return { name, code, message }
  }
}
const { name, code, message } = new OpenError()
const FAILED = { name, code, message }

t.test('When the vectors are opened, then they hold what they should', async t => {
  const vectors = JSON.parse(readFileSync(new URL('../vectors/legacy.json', import.meta.url), 'utf8'))
  t.equal(vectors.length, 10)
  for (const { madeBy, bits, pkcs8, padding, label, separator, fields, parts, ciphertext } of vectors) {
    const form = { padding, separator, fields, ...(label ? { label } : {}) }
    const privateKey = importLegacyKey(Buffer.from(pkcs8, 'hex'), form)
    t.equal(privateKey.bits, bits)
    const block = readLegacyText(ciphertext)
    t.same(outcome(block, privateKey), parts, `${madeBy}, ${padding}`)
    const { label: _, ...bare } = form
    const unlabelled = importLegacyKey(Buffer.from(pkcs8, 'hex'), bare)
    if (label) t.same(outcome(block, unlabelled), FAILED, 'without its label')
    for (const other of ['pkcs1', 'oaep', 'oaep-sha256'] as const) {
      if (other === padding) continue
      const wrong = importLegacyKey(Buffer.from(pkcs8, 'hex'), { ...CARD, padding: other })
      t.same(outcome(block, wrong), FAILED, `as ${other}`)
    }
  }
})

const noPhp = missing('php', '-r', 'exit(function_exists("openssl_public_encrypt") ? 0 : 1);')
const noOpenssl = missing('openssl', 'version')

const PHP = `
$given = json_decode(stream_get_contents(STDIN), true);
$paddings = ['pkcs1' => OPENSSL_PKCS1_PADDING, 'oaep' => OPENSSL_PKCS1_OAEP_PADDING];
if (defined('OPENSSL_SSLV23_PADDING')) $paddings['sslv23'] = constant('OPENSSL_SSLV23_PADDING');
$made = [];
foreach ($paddings as $name => $padding)
  if (@openssl_public_encrypt($given['payload'], $block, $given['pem'], $padding)) $made[$name] = base64_encode($block);
echo json_encode($made);`

t.test('When PHP encrypts, then it opens', { skip: noPhp }, async t => {
  const note = {
    door: 'HPKE tokens',
    program: 'PHP ext-openssl',
    version: versionOf('php', '--version'),
  } as const
  noteProgram(t, { ...note, does: 'encrypts with `openssl_public_encrypt`, as PKCS#1 v1.5 or OAEP' })
  for (const bits of [1024, 4096]) {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: bits })
    const input = JSON.stringify({ pem: publicKey.export({ type: 'spki', format: 'pem' }), payload: PAYLOAD })
    const made = JSON.parse(spawnSync('php', ['-r', PHP], { input, encoding: 'utf8' }).stdout)
    if (bits === 1024 && !made.sslv23)
      t.comment('this PHP has no padding of SSLv23; a block of its form is below')
    t.ok(made.pkcs1 && made.oaep)
    for (const [padding, text] of Object.entries(made)) {
      const form = { ...CARD, padding: padding === 'oaep' ? ('oaep' as const) : ('pkcs1' as const) }
      t.same(
        outcome(readLegacyText(`${text}`), importLegacyKey(derOf(privateKey), form)),
        PARTS,
        `${bits} ${padding}`,
      )
    }
  }
})

t.test('When openssl encrypts, then it opens', { skip: noOpenssl }, async t => {
  const note = { door: 'HPKE tokens', program: 'OpenSSL', version: versionOf('openssl', 'version') } as const
  noteProgram(t, { ...note, does: 'encrypts with `pkeyutl`, as PKCS#1 v1.5, or OAEP with SHA-1 or SHA-256' })
  const pem = pair.publicKey.export({ type: 'spki', format: 'pem' }) as string
  const label = Buffer.from('cards').toString('hex')
  const wanted: [LegacyForm, string[]][] = [
    [CARD, ['rsa_padding_mode:pkcs1']],
    [{ ...CARD, padding: 'oaep' }, ['rsa_padding_mode:oaep']],
    [
      { ...CARD, padding: 'oaep-sha256', label: 'cards' },
      ['rsa_padding_mode:oaep', 'rsa_oaep_md:sha256', `rsa_oaep_label:${label}`],
    ],
  ]
  const directory = t.testdir({ 'key.pem': pem })
  for (const [form, settings] of wanted) {
    const options = settings.flatMap(setting => ['-pkeyopt', setting])
    const args = ['pkeyutl', '-encrypt', '-pubin', '-inkey', `${directory}/key.pem`, ...options]
    const { stdout, status } = spawnSync('openssl', args, { input: PAYLOAD })
    t.equal(status, 0)
    t.same(outcome(stdout, importLegacyKey(derOf(pair.privateKey), form)), PARTS, settings.join(' '))
  }
})

t.test(
  'When the padding is that of SSLv23, whose constant PHP lost with OpenSSL 3, then it opens',
  async t => {
    const value = Buffer.from(PAYLOAD)
    const padding = Buffer.alloc(128 - 3 - value.length, 0xa5)
    padding.fill(3, padding.length - 8)
    const block = Buffer.concat([Uint8Array.of(0, 2), padding, Uint8Array.of(0), value])
    const raw = publicEncrypt({ key: pair.publicKey, padding: constants.RSA_NO_PADDING }, block)
    t.same(outcome(raw), PARTS)
  },
)

t.test('When a padding is bad, then OpenSSL gives bytes in its place, always the same', async t => {
  const block = encrypt(PAYLOAD)
  block[64]! ^= 1
  const open = () => privateDecrypt({ key: pair.privateKey, padding: constants.RSA_PKCS1_PADDING }, block)
  const first = open()
  t.ok(open().equals(first), 'it must not be told from a padding that is good')
  t.same(outcome(block), FAILED, 'and they are no payload')
})

/** Longest payload, in bytes, that random bytes are taken for now and then: see docs/keys.md. */
const RUBBISH = 16

t.test('Whatever is wrong with a block, it is the one error', async t => {
  const oaep = importLegacyKey(derOf(pair.privateKey), { ...CARD, padding: 'oaep' })
  const padding = constants.RSA_PKCS1_OAEP_PADDING
  const goods = {
    pkcs1: [key, encrypt(PAYLOAD)],
    oaep: [oaep, publicEncrypt({ key: pair.publicKey, padding }, Buffer.from(PAYLOAD))],
  } as const
  const other = generateKeyPairSync('rsa', { modulusLength: 1024 })
  for (const [name, [privateKey, good]] of Object.entries(goods)) {
    t.same(outcome(good, privateKey), PARTS)
    let tries = 0
    let passed = 0
    const fails = (block: Uint8Array) => {
      tries++
      const came = outcome(block, privateKey)
      // Under PKCS#1 v1.5 a few random bytes may be a payload; what they are, nobody can choose or foretell.
      if (Array.isArray(came) && name === 'pkcs1' && came.join('').length < RUBBISH) passed++
      else t.strictSame(came, FAILED)
    }
    const bytes = fc.uint8Array({ minLength: 0, maxLength: 140 })
    fc.assert(fc.property(bytes, fails), { numRuns: 200 })
    fc.assert(fc.property(fc.uint8Array({ minLength: 128, maxLength: 128 }), fails), { numRuns: 300 })
    const mutation = fc.tuple(fc.nat({ max: 127 }), fc.integer({ min: 1, max: 255 }))
    const mutated = fc.property(mutation, ([at, by]) => {
      const block = Uint8Array.from(good)
      block[at]! ^= by
      fails(block)
    })
    fc.assert(mutated, { numRuns: 300 })
    for (let length = 0; length < good.length; length++) fails(good.subarray(0, length))
    for (let i = 0; i < 50; i++) fails(encrypt(PAYLOAD, other.publicKey))
    t.ok(passed <= 5, `${name}: ${passed} of ${tries} gave rubbish`)
  }
})

t.test('When a payload is split, then it has exactly the parts of its form, and they are text', async t => {
  const utf8 = fc.string({ unit: 'grapheme' }).map(text => text.replace(/\p{Cc}/gu, ''))
  const parts = fc.array(utf8, { minLength: 1, maxLength: 8 })
  const property = fc.property(parts, fc.nat(), (texts, drop) => {
    const fields = texts.map((_, i) => ((drop >> i) & 1 ? '' : `f${i}`))
    const payload = Buffer.from(texts.join('\t'))
    const split = splitPayload({ separator: '\t', fields }, payload)
    if (payload.length === 0) return t.equal(split, null)
    const kept = texts.filter((_, i) => fields[i] !== '')
    t.same(split && textOf(split), kept)
    t.equal(splitPayload({ separator: '\t', fields: [...fields, 'more'] }, payload), null)
    return t.equal(splitPayload({ separator: '\t', fields: fields.slice(1) }, payload), null)
  })
  fc.assert(property, { numRuns: 200 })
  const whole = { separator: '\t', fields: ['note'] }
  for (const bad of ['a\u0000b', 'a\u001bb', 'a\u007f', ''])
    t.equal(splitPayload(whole, Buffer.from(bad)), null)
  t.equal(splitPayload(whole, Uint8Array.of(0xfc)), null, 'not UTF-8')
  t.same(textOf(splitPayload(whole, Buffer.from('two\r\nlines'))!), ['two\r\nlines'])
  const dropped = { separator: '\t', fields: ['', 'note'] }
  t.same(
    textOf(splitPayload(dropped, Buffer.from([0xff, 0x00, 0x09, 0x61]))!),
    ['a'],
    'what is dropped may be anything',
  )
})

t.test('When a payload is in a character set of one byte, then its parts become UTF-8', async t => {
  const fields = ['customer.name', '', 'customer.town']
  for (const charset of LEGACY_CHARSETS.slice(1)) {
    // What the Encoding Standard, in Node's decoder of its own, makes of each byte; it takes ISO-8859-1 for windows-1252.
    const decoder = new TextDecoder('windows-1252')
    const isText = (byte: number) => {
      if (byte < 0x20 || byte === 0x7f) return byte === 0x0a || byte === 0x0d
      if (byte < 0x80 || byte > 0x9f) return true
      return charset === 'windows-1252' && ![0x81, 0x8d, 0x8f, 0x90, 0x9d].includes(byte)
    }
    const any = fc.uint8Array({ minLength: 1, maxLength: 40 }).map(bytes => bytes.filter(byte => byte !== 9))
    const text = any.map(bytes => bytes.filter(isText))
    const tab = Uint8Array.of(9)
    fc.assert(
      fc.property(fc.oneof(any, text), any, text, (first, dropped, last) => {
        const payload = Buffer.concat([first, tab, dropped, tab, last])
        const split = splitPayload({ separator: '\t', fields, charset }, payload)
        t.same(
          split && textOf(split),
          first.every(isText) ? [decoder.decode(first), decoder.decode(last)] : null,
        )
      }),
      { numRuns: 300 },
    )
    const every = Uint8Array.from({ length: 256 }, (_, byte) => byte).filter(isText)
    const whole = splitPayload({ separator: '\t', fields: ['note'], charset }, every)!
    t.same(textOf(whole), [decoder.decode(every)])
  }
  const form = { separator: '\t', fields: ['note'] }
  t.same(textOf(splitPayload({ ...form, charset: 'utf-8' }, Buffer.from('Zoë'))!), ['Zoë'])
})

t.test('When a form makes no sense, or keeps what must not be kept, then it is refused', async t => {
  const form = (fields: string[], separator = '\t') => ({ separator, fields })
  checkForm(form(['', 'card.number', '']))
  for (const bad of [
    form([]),
    form(['', '']),
    form(['a', 'a']),
    form(['A']),
    form(['a'], ''),
    form(['a'], 'ä'),
    form(['a'], '\0'),
  ])
    t.throws(() => checkForm(bad), { code: 'bad-key' })
  t.throws(() => checkForm(form(Array.from({ length: 9 }, (_, i) => `f${i}`))), { code: 'bad-key' })
  t.throws(() => checkForm(form([...Array(16).fill(''), 'a'])), { code: 'bad-key' })
  for (const field of ['card.cvv', 'card.cvc2', 'card.pin.block'])
    t.throws(() => checkForm(form(['card.number', field])), { code: 'forbidden-field' })
})

t.test('When a key is no RSA key of a size that opens, then it is refused', async t => {
  const keys = [
    generateKeyPairSync('ed25519'),
    generateKeyPairSync('rsa', { modulusLength: 1016 }),
    generateKeyPairSync('rsa-pss', { modulusLength: 1024 }),
  ]
  for (const { privateKey } of keys)
    t.throws(() => importLegacyKey(derOf(privateKey), CARD), { code: 'bad-key' })
  t.throws(() => importLegacyKey(new Uint8Array(10), CARD), { code: 'bad-key' })
  proveLegacyKey(key)
  const { n, ...jwk } = pair.privateKey.export({ format: 'jwk' })
  const changed = Buffer.from(n!, 'base64url')
  changed[100]! ^= 0x10
  const torn = createPrivateKey({ key: { ...jwk, n: changed.toString('base64url') }, format: 'jwk' })
  t.throws(() => proveLegacyKey(importLegacyKey(derOf(torn), CARD)), { code: 'bad-key' })
  const seven = generateKeyPairSync('rsa', { modulusLength: 1025 })
  const odd = importLegacyKey(derOf(seven.privateKey), CARD)
  t.same(outcome(encrypt(PAYLOAD, createPublicKey(seven.privateKey)), odd), PARTS, 'bits that fill no byte')
})

t.test('When a text is base64, then it is read; line breaks do not matter, anything else does', async t => {
  const block = encrypt(PAYLOAD)
  const text = block.toString('base64')
  for (const good of [text, text.replace(/.{76}/g, '$&\r\n'), ` ${text}\n`, text.replace(/.{64}/g, '$&\n')])
    t.same(readLegacyText(good), block)
  for (const bad of [
    '',
    ' ',
    text.slice(0, -1),
    `${text}=`,
    text.replace(/=+$/, ''),
    `${text}!`,
    'clv1.x.a.1.AAAA',
    'AB==',
  ])
    t.throws(() => readLegacyText(bad), { code: 'bad-token' })
})

t.test('When a batch is opened, then others get their turn, and each item has its own result', async t => {
  const blocks = Array.from({ length: 200 }, (_, i) => (i % 7 === 3 ? new Uint8Array(128) : encrypt(PAYLOAD)))
  let turns = 0
  const timer = setInterval(() => turns++, 1)
  const results = await openLegacies(blocks.map(ciphertext => ({ privateKey: key, ciphertext })))
  clearInterval(timer)
  t.ok(turns > 0)
  for (const [i, result] of results.entries())
    if (i % 7 === 3) t.ok(result instanceof OpenError)
    else t.same(textOf(result as Uint8Array[]), PARTS)
})
