/**
 * JWE of PHP: the example that shops copy, run by PHP itself, and what its two JOSE libraries made, which Debian does not have: kept
 * with the keys that open it in test/vectors/jwe-php.json.
 */
import { spawnSync } from 'node:child_process'
import { createPrivateKey } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { FORBIDDEN_FIELDS } from '../../protocol/envelope/forbidden.ts'
import { openJwe } from '../../protocol/envelope/jwe-open.ts'
import { parseJwe } from '../../protocol/envelope/jwe-read.ts'
import { jwkOf } from '../../protocol/envelope/jwk.ts'
import { importPrivateKey } from '../../protocol/envelope/keys.ts'
import { importLegacyKey } from '../../protocol/envelope/legacy.ts'
import { keyPair } from '../protocol/envelope-keys.ts'
import { noteProgram } from '../support/compatibility.ts'
import { ask, missing } from '../support/programs.ts'

const SEAL_JWE = fileURLToPath(new URL('../../docs/examples/jwe/seal_jwe.php', import.meta.url))
const KEPT = JSON.parse(readFileSync(new URL('../vectors/jwe-php.json', import.meta.url), 'utf8'))
const FORM = { padding: 'oaep-sha256', separator: '\t', fields: ['card.number'] } as const

const pair = keyPair('p256')
const directory = mkdtempSync(join(tmpdir(), 'claviger-php-'))
t.teardown(() => rmSync(directory, { recursive: true }))
const KEY_SET = join(directory, 'jwks.json')
const jwk = jwkOf({ suite: 'p', namespace: 'default', key: 'orders', version: 1, bytes: pair.publicKey })
writeFileSync(KEY_SET, JSON.stringify({ keys: [jwk] }))

/** Seals lines with the example. */
function seal(lines: readonly object[], ...args: string[]) {
  const input = lines.map(line => `${JSON.stringify(line)}\n`).join('')
  const { status, stdout, stderr } = spawnSync('php', [SEAL_JWE, ...args], { input, encoding: 'utf8' })
  return { status, lines: stdout.split('\n').slice(0, -1), stderr }
}

/** What the example says to each field. */
const REFUSALS = `
require $argv[1];
$seal = new \\Claviger\\Example\\JweSeal(json_decode(file_get_contents($argv[2]), true), 'orders@1');
echo json_encode(array_map(function ($field) use ($seal) {
    try {
        return $seal->field($field, '', '123');
    } catch (InvalidArgumentException $error) {
        return $error->getMessage();
    }
}, json_decode(stream_get_contents(STDIN), true)));`

const noPhp = missing(
  'php',
  '-r',
  'exit((int) !(extension_loaded("sodium") && extension_loaded("openssl")));',
)

t.test(
  'When the example of PHP seals many, then all open, each at its own place',
  { skip: noPhp },
  async t => {
    // Enough that some coordinates begin with a zero, which PHP leaves out: one in 256 does.
    const rows = Array.from({ length: 1000 }, (_, i) => ({
      field: 'card.number',
      record: `cards/${i}`,
      value: `Ł ${i}`,
    }))
    const { status, lines, stderr } = seal(rows, KEY_SET, 'orders@1')
    t.equal(status, 0, stderr)
    const open = (text: string, record: string) => {
      const context = { namespace: 'default', key: 'orders', field: 'card.number', record }
      return Buffer.from(openJwe(pair.privateKey, parseJwe(text), context)).toString()
    }
    t.same(
      lines.map((text, i) => open(text, `cards/${i}`)),
      rows.map(({ value }) => value),
    )
    t.throws(() => open(lines[0]!, 'cards/1'), { code: 'open-failed' })
  },
)

t.test('When the example is asked for what must not be, then it refuses', { skip: noPhp }, async t => {
  const fields = FORBIDDEN_FIELDS.flatMap(field => [field, `${field}.old`])
  const refusals = ask<string[]>('php', ['-r', REFUSALS, SEAL_JWE, KEY_SET], fields)
  t.same(
    refusals,
    fields.map(field => `fields of class ${field} must never be stored, not even sealed`),
  )
  t.match(seal([], KEY_SET, 'orders@2'), { status: 1, stderr: /no key orders@2/ })
  t.match(seal([], join(directory, 'nothing'), 'orders@1'), { status: 2, stderr: /usage/ })
  t.match(seal([]), { status: 2, stderr: /usage/ })
})

t.test('When the JOSE libraries of PHP made it, then it opens at its place', async t => {
  const { privateKeys, place, value, libraries } = KEPT
  const [x, p, rsa] = privateKeys.map((key: Record<string, string>) =>
    createPrivateKey({ key, format: 'jwk' }).export({ type: 'pkcs8', format: 'der' }),
  )
  const keys = {
    'orders-x@1': importPrivateKey('x', x),
    'orders-p@1': importPrivateKey('p', p),
    'orders-rsa@1': importLegacyKey(rsa, FORM),
  }
  t.equal(libraries.length, 2)
  for (const { program, commit, opens, cannot } of libraries) {
    t.equal(opens.length, program.includes('web-token') ? 10 : 8)
    for (const text of opens as string[]) {
      const jwe = parseJwe(text)
      const key = keys[jwe.kid as keyof typeof keys]
      const title = `${program}: ${jwe.alg} ${jwe.enc} ${jwe.kid}`
      const at = (record: string) => ({ namespace: 'default', key: 'orders', field: place.field, record })
      t.equal(Buffer.from(openJwe(key, jwe, at(place.record))).toString(), value, title)
      t.throws(() => openJwe(key, jwe, at('')), { code: 'open-failed' }, `${title} elsewhere`)
      const damaged = parseJwe(`${text.slice(0, -2)}${text.endsWith('AA') ? 'BA' : 'AA'}`)
      t.throws(() => openJwe(key, damaged, at(place.record)), { code: 'open-failed' }, `${title} damaged`)
    }
    const note = { door: 'JWE', program, version: `commit ${commit}` } as const
    noteProgram(t, {
      ...note,
      does: 'encrypts with its place in the protected header: kept examples, made once',
    })
    for (const algorithms of cannot)
      noteProgram(t, { ...note, does: `encrypts with ${algorithms}`, why: 'it finds no key for it' })
  }
})
