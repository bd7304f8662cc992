/** Sealed boxes of PHP, of Python's PyNaCl and of libsodium itself: each takes a key of the device's set, and the device opens what it sealed. */
import t from 'tap'
import type { DecryptItem } from '../../protocol/api/schemas.ts'
import { WIDE } from '../support/appliance.ts'
import { noteProgram, versionOf } from '../support/compatibility.ts'
import { startInProcess } from '../support/in-process.ts'
import { ask, missing } from '../support/programs.ts'
import { PATIENT } from '../support/requests.ts'

const PLACE = { field: 'card.number', record: 'cust_cards/42' }
const VALUES = ['', '4111111111111111', 'Łódź\0', 'x'.repeat(65_536)]
const FAILED = { error: { code: 'open-failed' } }

/** Debian's, where the first on the PATH lacks the packages. */
const PYTHON = process.env.CLAVIGER_PYTHON ?? 'python3'

/** Of a JWK and values, the boxes in base64. */
const PHP = `
['key' => $key, 'values' => $values] = json_decode(stream_get_contents(STDIN), true);
$public = sodium_base642bin($key['x'], SODIUM_BASE64_VARIANT_URLSAFE_NO_PADDING);
echo json_encode(array_map(fn ($value) => base64_encode(sodium_crypto_box_seal($value, $public)), $values));`
const python = (prepare: string, sealed: string) => `
import base64, json, sys
given = json.load(sys.stdin)
public = base64.urlsafe_b64decode(given["key"]["x"] + "=")
${prepare}
print(json.dumps([base64.b64encode(${sealed}).decode() for value in (text.encode() for text in given["values"])]))`
const PYNACL = python(
  'from nacl.public import PublicKey, SealedBox\nbox = SealedBox(PublicKey(public))',
  'box.encrypt(value)',
)
const CTYPES = 'import ctypes; sodium = ctypes.CDLL("libsodium.so.23")'
const LIBSODIUM = python(
  `${CTYPES}
assert sodium.sodium_init() >= 0
def seal(value):
    out = ctypes.create_string_buffer(len(value) + 48)
    assert sodium.crypto_box_seal(out, value, ctypes.c_ulonglong(len(value)), public) == 0
    return out.raw`,
  'seal(value)',
)

const MAKERS = [
  {
    program: 'PHP ext-sodium',
    command: ['php', '-r', PHP],
    missing: missing('php', '-r', 'exit((int) !function_exists("sodium_crypto_box_seal"));'),
    version: ['php', '-r', 'echo PHP_VERSION;'],
  },
  {
    program: 'Python PyNaCl',
    command: [PYTHON, '-c', PYNACL],
    missing: missing(PYTHON, '-c', 'import nacl.public'),
    version: [PYTHON, '-c', 'import nacl; print(nacl.__version__)'],
  },
  {
    program: 'libsodium',
    command: [PYTHON, '-c', LIBSODIUM],
    missing: missing(PYTHON, '-c', CTYPES),
    version: [
      PYTHON,
      '-c',
      `${CTYPES}; sodium.sodium_version_string.restype = ctypes.c_char_p; print(sodium.sodium_version_string().decode())`,
    ],
  },
] as const

t.test('sealed boxes of others', async t => {
  const { appliance, stop } = await startInProcess()
  t.teardown(stop)
  const admin = await appliance.connect(appliance.admin)
  await admin.changeSettings(PATIENT)
  await admin.createKey('boxes', 'x', 'contextless')
  await admin.createKey('others', 'x', 'contextless')
  await admin.createKey('orders', 'x')
  const desk = await appliance.connect(await appliance.enrol('desk', 'operator'))
  for (const key of ['boxes', 'others', 'orders']) await admin.addGrant({ ...WIDE, agent: 'desk', key })
  const open = async (items: DecryptItem[]) => (await desk.decrypt({ purpose: 'charge', items })).results
  const item = (ciphertext: string, key = 'boxes') => ({ ciphertext, context: PLACE, key })
  const key = (await desk.keySet()).keys.find(({ kid }) => kid === 'boxes@1')!

  for (const { program, command, missing, version } of MAKERS)
    await t.test(
      `When ${program} seals to a key of the set, then it opens, and not if damaged or with another key`,
      { skip: missing },
      async t => {
        const [name, ...args] = command
        const made = ask<string[]>(name, args, { key, values: VALUES })
        t.same(
          await open(made.map(text => item(text))),
          VALUES.map(value => ({ value })),
        )
        const [, box] = made as [string, string]
        t.same(await open([item(box, 'others'), item(box, 'orders')]), [
          FAILED,
          { error: { code: 'wrong-use' } },
        ])
        const damaged = [0, 31, 32, 47, 48, 63].map(at => {
          const bytes = Buffer.from(box, 'base64')
          bytes[at]! ^= 1
          return item(bytes.toString('base64'))
        })
        t.same(
          await open(damaged),
          damaged.map(() => FAILED),
        )
        const [asker, ...question] = version
        noteProgram(t, {
          door: 'sealed boxes',
          program,
          version: versionOf(asker, ...question),
          does: 'seals to a key of suite x',
        })
      },
    )
})
