/** Sealed boxes: what PHP's sodium seals opens, what it does not open neither do we, and every failure is the one error. */
import fc from 'fast-check'
import t from 'tap'
import { OpenError } from '../../protocol/envelope/errors.ts'
import { openSealedBox, readSealedBox } from '../../protocol/envelope/sealed-box.ts'
import { fuzz } from '../fuzz/fuzz.ts'
import { door } from '../fuzz/sealed-box.ts'
import { noteProgram, versionOf } from '../support/compatibility.ts'
import { ask, missing } from '../support/programs.ts'
import { keyPair, toHex } from './envelope-keys.ts'

const { privateKey, publicKey, raw } = keyPair('x25519')
const { name, code, message } = new OpenError()

/** What came of it: the value in hex, or the whole of the error. */
function outcome(text: string, key = privateKey): string {
  try {
    return toHex(openSealedBox(key, readSealedBox(text)))
  } catch (error) {
    return `${(error as OpenError).name} ${(error as OpenError).code} ${(error as OpenError).message}`
  }
}
const FAILED = `${name} ${code} ${message}`

const PHP = `
$given = json_decode(stream_get_contents(STDIN), true);
$made = [];
foreach ($given['values'] as $value)
  $made[] = base64_encode(sodium_crypto_box_seal(hex2bin($value), hex2bin($given['publicKey'])));
echo json_encode($made);`
const PHP_OPEN = `
$given = json_decode(stream_get_contents(STDIN), true);
$secret = hex2bin($given['secret']);
$pair = sodium_crypto_box_keypair_from_secretkey_and_publickey($secret, sodium_crypto_box_publickey_from_secretkey($secret));
echo json_encode(array_map(fn ($box) => sodium_crypto_box_seal_open(base64_decode($box), $pair) === false, $given['boxes']));`
const noPhp = missing('php', '-r', 'exit(function_exists("sodium_crypto_box_seal") ? 0 : 1);')
const VALUES = ['', '00', toHex(Buffer.from('4111111111111111')), 'ab'.repeat(65_536)]

t.test("When PHP's sodium seals, then it opens in each way of writing it down", { skip: noPhp }, async t => {
  const note = {
    door: 'sealed boxes',
    program: 'PHP ext-sodium',
    version: versionOf('php', '--version'),
  } as const
  noteProgram(t, { ...note, does: 'seals with `sodium_crypto_box_seal`, written as base64 or base64url' })
  const made = ask<string[]>('php', ['-r', PHP], { publicKey: toHex(publicKey), values: VALUES })
  for (const [i, text] of made.entries()) {
    const bytes = Buffer.from(text, 'base64')
    const forms = [text, text.replace(/=+$/, ''), bytes.toString('base64url')]
    for (const form of forms) t.equal(outcome(form), VALUES[i])
  }
  for (const other of [keyPair('x25519'), keyPair('p256'), keyPair('xwing')])
    t.equal(outcome(made[2]!, other.privateKey), FAILED)

  const box = Buffer.from(made[2]!, 'base64')
  const damaged = [...box.keys()].map(at => {
    const copy = Buffer.from(box)
    copy[at]! ^= 1
    return copy.toString('base64')
  })
  const refused = ask<boolean[]>('php', ['-r', PHP_OPEN], { secret: toHex(raw), boxes: damaged })
  t.ok(refused.every(Boolean), 'libsodium does not open them either')
  for (const text of damaged) t.equal(outcome(text), FAILED)
})

t.test('When the ephemeral key is of low order, then there is the same error', async t => {
  for (const first of [0, 1])
    t.equal(outcome(Buffer.from([first, ...new Uint8Array(63)]).toString('base64')), FAILED)
})

t.test('When text is no box, then it is refused before a key is used', async t => {
  const box = Buffer.alloc(49, 255)
  for (const text of [
    '',
    'AAAA',
    Buffer.alloc(47).toString('base64'),
    `${box.toString('base64')} `,
    `${box.toString('base64')}=`,
    `${box.toString('base64')}\n`,
    `${box.toString('base64').slice(0, -3)}9==`,
    `-${box.toString('base64').slice(1)}`,
    'A'.repeat(90_000),
    'clv1.x.orders.1.AAAA',
  ])
    t.match(outcome(text), /^TokenError bad-token /, text.slice(0, 80))
})

t.test('When anything is read as a box, then it is refused with one of two errors', async () => {
  const boxes = fc.uint8Array({ maxLength: 200 }).map(bytes => Buffer.from(bytes).toString('base64'))
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), boxes), text => {
      const result = outcome(text)
      return result === FAILED || result.startsWith('TokenError bad-token ')
    }),
    { numRuns: 2000 },
  )
})

t.test(
  'When 10,000 mutated boxes are decided and opened, then each opens as it was sealed, or ends in the same words',
  async t => {
    const report = await fuzz(door, { seed: 11, inputs: 10_000, until: Number.POSITIVE_INFINITY })
    t.equal(report.fault, undefined)
    t.equal(report.count, 10_000)
    for (const fate of ['opened', 'open-failed', 'bad-token', 'wrong-use'])
      t.ok(report.fates[fate]! > 100, `${fate}: ${report.fates[fate]}`)
  },
)
