/**
 * The sealing libraries of the shop's server: what JavaScript, PHP and Python seal, the appliance opens, and the three
 * accept and refuse the same.
 */

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import t from 'tap'
import { sealer } from '../../host-agent/seal/seal.ts'
import { sealer as browserSealer } from '../../host-agent/seal/seal-browser.ts'
import { contextInfo } from '../../protocol/envelope/context.ts'
import { openField } from '../../protocol/envelope/field.ts'
import { FORBIDDEN_FIELDS, isForbiddenField } from '../../protocol/envelope/forbidden.ts'
import { generatePrivateKey, importPrivateKey } from '../../protocol/envelope/keys.ts'
import type { SuiteLetter } from '../../protocol/envelope/suites.ts'
import { formatPublicKey, MAX_PLAINTEXT_LENGTH, parseToken } from '../../protocol/envelope/token.ts'
import { noteProgram, versionOf } from '../support/compatibility.ts'
import { bareNode } from '../support/environment.ts'

const path = (name: string) => fileURLToPath(new URL(`../../host-agent/seal/${name}`, import.meta.url))
const PHP = path('claviger_seal.php')
/** The Python to test with, where the first on the PATH lacks the packages. */
const PYTHON3 = process.env.CLAVIGER_PYTHON ?? 'python3'
const PYTHON = path('claviger_seal.py')

type Row = { field: string; record: string; value: string }

function run(command: string, args: string[], input: string) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    input,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  return { status, stdout, stderr, missing: error !== undefined }
}

/** Prints the info of each context of a JSON table as hex, or `bad-context`; records may come as UTF-16 units. */
const PHP_CONTEXTS = `
require $argv[1];
foreach (json_decode(stream_get_contents(STDIN), true) as $row) {
  $record = $row['record'] ?? '';
  foreach ($row['recordUnits'] ?? [] as $u) {
    $record .= $u < 0x80 ? chr($u) : chr(0xe0 | $u >> 12) . chr(0x80 | $u >> 6 & 63) . chr(0x80 | $u & 63);
  }
  try {
    echo bin2hex(\\Claviger\\Seal::contextInfo($row['namespace'], $row['key'], $row['field'], $record)), "\\n";
  } catch (\\Claviger\\SealException $e) {
    echo $e->getReason(), "\\n";
  }
}`
const PYTHON_CONTEXTS = `
import json, os, sys
sys.path.insert(0, os.path.dirname(sys.argv[1]))
import claviger_seal
for row in json.load(sys.stdin):
    record = "".join(map(chr, row["recordUnits"])) if "recordUnits" in row else row["record"]
    try:
        print(claviger_seal.context_info(row["namespace"], row["key"], row["field"], record).hex())
    except claviger_seal.ContextError:
        print("bad-context")
`

/** Prints the list of forbidden classes, then for each field of a JSON array whether it was sealed. */
const PHP_FORBIDDEN = `
require $argv[1];
$seal = new \\Claviger\\Seal($argv[2]);
echo json_encode(\\Claviger\\Seal::FORBIDDEN_FIELDS), "\\n";
foreach (json_decode(stream_get_contents(STDIN), true) as $field) {
  try {
    $seal->field($field, 'r/1', '123');
    echo "sealed\\n";
  } catch (\\Claviger\\SealException $e) {
    echo $e->getReason(), "\\n";
  }
}`
const PYTHON_FORBIDDEN = `
import json, os, sys
sys.path.insert(0, os.path.dirname(sys.argv[1]))
import claviger_seal
print(json.dumps(claviger_seal.FORBIDDEN_FIELDS))
for field in json.load(sys.stdin):
    try:
        claviger_seal.seal_field(sys.argv[2], field, "r/1", "123")
        print("sealed")
    except claviger_seal.ForbiddenField:
        print("forbidden-field")
`

/** Tells for each public key of a JSON array whether it is one. */
const PHP_KEYS = `
require $argv[1];
foreach (json_decode(stream_get_contents(STDIN), true) as $text) {
  try {
    new \\Claviger\\Seal($text);
    echo "key\\n";
  } catch (\\Claviger\\SealException $e) {
    echo $e->getReason(), "\\n";
  }
}`
const PYTHON_KEYS = `
import json, os, sys
sys.path.insert(0, os.path.dirname(sys.argv[1]))
import claviger_seal
for text in json.load(sys.stdin):
    try:
        claviger_seal.parse_public_key(text)
        print("key")
    except claviger_seal.PublicKeyError:
        print("bad-public-key")
`

type Language = {
  name: string
  suites: readonly SuiteLetter[]
  /** The command that seals lines, less the public key. */
  lines: [string, string[]]
  /** The command that prints infos, where there is one. */
  contexts?: [string, string[]]
  /** The command that judges public keys, where there is one. */
  keys?: [string, string[]]
  /** The command that seals fields and prints what was refused, less the public key, where there is one. */
  forbidden?: [string, string[]]
  /** The command that tells whether the language is here. */
  probe: [string, string[]]
  /** As the page of compatibility has it; ours are not on it. */
  program?: string
}

const LANGUAGES: readonly Language[] = [
  {
    name: 'javascript',
    suites: ['x', 'p', 'q'],
    lines: [process.execPath, [path('seal-lines.ts')]],
    probe: [process.execPath, ['--version']],
  },
  {
    name: 'php',
    suites: ['x'],
    lines: ['php', [PHP]],
    contexts: ['php', ['-r', PHP_CONTEXTS, '--', PHP]],
    keys: ['php', ['-r', PHP_KEYS, '--', PHP]],
    forbidden: ['php', ['-r', PHP_FORBIDDEN, '--', PHP]],
    probe: ['php', ['-r', 'exit(extension_loaded("sodium") ? 0 : 1);']],
    program: 'PHP with `claviger_seal.php`',
  },
  {
    name: 'python',
    suites: ['x'],
    lines: [PYTHON3, [PYTHON]],
    contexts: [PYTHON3, ['-B', '-c', PYTHON_CONTEXTS, PYTHON]],
    keys: [PYTHON3, ['-B', '-c', PYTHON_KEYS, PYTHON]],
    forbidden: [PYTHON3, ['-B', '-c', PYTHON_FORBIDDEN, PYTHON]],
    probe: [PYTHON3, ['-c', 'from cryptography.hazmat.primitives.asymmetric import x25519']],
    program: 'Python with `claviger_seal.py`',
  },
]

const namespace = 'shop.example'
const key = 'orders.a'

function keyFor(suite: SuiteLetter, version = 7) {
  const { pkcs8, publicKey: bytes } = generatePrivateKey(suite)
  const publicKey = formatPublicKey({ suite, namespace, key, version, bytes })
  return { privateKey: importPrivateKey(suite, pkcs8), publicKey }
}

const text = (maxLength: number) => fc.string({ unit: 'binary', maxLength })
const rows: Row[] = [
  { field: 'card.number', record: 'cust_cards/42', value: '4111111111111111' },
  { field: 'card.number', record: '', value: '' },
  { field: 'address.ship', record: 'é/😀', value: '👩‍👩‍👧‍👦 Пушкинская ул. 1\n北京' },
  { field: 'a', record: 'r'.repeat(255), value: '€'.repeat(1365) },
  { field: 'c'.repeat(32), record: '\u0000', value: '\u0000"\\\u007f\ufeff' },
  { field: 'note', record: 'big', value: 'x'.repeat(MAX_PLAINTEXT_LENGTH) },
  ...fc.sample(
    fc.record({ field: fc.constantFrom('phone', 'iban.1'), record: text(60), value: text(300) }),
    40,
  ),
]
const ndjson = (items: readonly unknown[]) => items.map(item => `${JSON.stringify(item)}\n`).join('')

/** What must never be stored, what only looks like it, and what lies above. */
const delicate = [
  ...FORBIDDEN_FIELDS.flatMap(field => [
    field,
    `${field}.a`,
    `${field}..`,
    `${field}x`,
    `${field}-a`,
    `x.${field}`,
  ]),
  ...['card', 'card.', 'card.number', 'card.tracking', 'card.pint.cvv', 'cvv', 'pin', 'card.track3'],
]
const judged = (field: string) => (isForbiddenField(field) ? 'forbidden-field' : 'sealed')

for (const { name, suites, lines, contexts, keys, forbidden, probe, program } of LANGUAGES) {
  const { status } = run(...probe, '')
  if (status !== 0) {
    if (process.env.CI) t.fail(`${name} is not on this machine, and the checks need it`)
    else t.test(`${name} seals`, { skip: `${name} or its library is not on this machine` }, () => {})
    continue
  }
  const [command, args] = lines

  t.test(`When ${name} seals values, then the appliance opens each in its place and only there`, async t => {
    if (program) {
      const note = { door: 'HPKE tokens', program, version: versionOf(command, '--version') } as const
      noteProgram(t, { ...note, does: 'seals fields for keys of suite x' })
      noteProgram(t, {
        ...note,
        does: 'seals for keys of suites p and q',
        why: 'the file is for suite x alone',
      })
    }
    for (const suite of ['p', 'q'] as const)
      if (!suites.includes(suite))
        t.equal(run(command, [...args, keyFor(suite).publicKey], ndjson(rows.slice(0, 1))).status, 1, suite)
    for (const suite of suites) {
      const { privateKey, publicKey } = keyFor(suite)
      const { status, stdout, stderr } = run(command, [...args, publicKey], ndjson(rows))
      t.equal(stderr.replace(/.*Warning.*\n/g, ''), '')
      t.equal(status, 0)
      const tokens = stdout.trimEnd().split('\n')
      t.equal(tokens.length, rows.length)
      for (const [i, { field, record, value }] of rows.entries()) {
        const token = parseToken(tokens[i]!)
        t.same([token.suite, token.key, token.version], [suite, key, 7])
        const opened = openField(privateKey, token, { namespace, key, field, record })
        t.equal(new TextDecoder('utf-8', { ignoreBOM: true }).decode(opened), value)
        t.throws(() => openField(privateKey, token, { namespace, key, field, record: 'another' }), {
          code: 'open-failed',
        })
      }
      t.equal(new Set(tokens.map(token => token.slice(-60))).size, tokens.length, 'no two are alike')
    }
  })

  t.test(
    `When ${name} is given what cannot be sealed, then it says the line and prints no token`,
    async t => {
      const { publicKey } = keyFor('x')
      const good = { field: 'phone', record: 'r/1', value: 'secret' }
      const bad: (Record<string, unknown> | string)[] = [
        { ...good, field: 'Phone' },
        { ...good, field: 7 },
        { ...good, record: 'é'.repeat(128) },
        { ...good, record: null },
        { ...good, record: '\ud83d' },
        { ...good, value: '\ud83d' },
        { ...good, value: 'secret'.repeat(20_000) },
        { field: 'phone', record: 'r/1' },
        '{"value":"secret"',
        '',
        'null',
      ]
      for (const item of bad) {
        const line = typeof item === 'string' ? `${item}\n` : ndjson([item])
        const { status, stdout, stderr } = run(
          command,
          [...args, publicKey],
          ndjson([good]) + line + ndjson([good]),
        )
        const title = line.slice(0, 60)
        t.equal(status, 1, title)
        t.match(stderr, /^claviger: line 2: [a-z]/m, title)
        t.notMatch(stderr, /secret|Traceback|Stack/, title)
        t.equal(stdout.trimEnd().split('\n').length, 1, title)
      }
    },
  )

  t.test(`When a field must never be stored, then ${name} does not seal it and says why`, async t => {
    const { publicKey } = keyFor('x')
    const item = { field: 'card.cvv', record: 'cards/7', value: '739' }
    const { status, stdout, stderr } = run(command, [...args, publicKey], ndjson([item]))
    t.equal(status, 1)
    t.equal(stdout, '')
    t.match(
      stderr,
      /^claviger: line 1: fields of class card\.cvv must never be stored.*[:\n].*authorisation/m,
    )
    t.notMatch(stderr, /739/)
    if (!forbidden) return
    const [program, options] = forbidden
    const verdicts = run(program, [...options, publicKey], JSON.stringify(delicate))
    const [list, ...rest] = verdicts.stdout.trimEnd().split('\n')
    t.same(JSON.parse(list!), FORBIDDEN_FIELDS, 'one list in every language')
    t.same(rest, delicate.map(judged))
  })

  t.test(`When the public key is not one, then ${name} refuses it`, async t => {
    const { publicKey } = keyFor('x')
    const parts = publicKey.split(':')
    const swap = (index: number, part: string) => parts.with(index, part).join(':')
    const bytes = parts[5]!
    const bad = [
      '',
      'clvp1',
      `${publicKey}:`,
      `${publicKey}=`,
      `${publicKey}A`,
      publicKey.slice(0, -1),
      ` ${publicKey}`,
      `${publicKey}\n`,
      swap(0, 'clvp2'),
      swap(1, 'z'),
      swap(1, 'p'),
      swap(2, ''),
      swap(2, 'Shop'),
      swap(3, '-a'),
      swap(3, 'a'.repeat(33)),
      swap(4, '0'),
      swap(4, '07'),
      swap(4, '2147483648'),
      swap(4, '99999999999'),
      swap(4, '+7'),
      swap(4, '\u0667'),
      swap(5, bytes.slice(0, -1) + nextCharacter(bytes.at(-1)!)),
      swap(5, bytes.replace(/^./, '+')),
      swap(5, bytes.replace(/^./, '\n')),
    ]
    const line = ndjson([{ field: 'phone', record: '', value: 'secret' }])
    const last = swap(4, '2147483647')
    const judged = keys
      ? run(...keys, JSON.stringify([...bad, last]))
          .stdout.trimEnd()
          .split('\n')
      : []
    for (const [i, text] of bad.entries()) {
      t.throws(() => sealer(text), { code: 'bad-key' })
      if (keys) t.equal(judged[i], 'bad-public-key', JSON.stringify(text))
    }
    if (keys) t.equal(judged[bad.length], 'key')
    const refused = run(command, [...args, swap(3, '-a')], line)
    t.equal(refused.status, 1)
    t.match(refused.stderr, /^claviger: [a-z]/m)
    t.equal(refused.stdout, '')
    const zero = run(command, [...args, swap(5, 'A'.repeat(43))], line)
    t.equal(zero.status, 1, 'a point of low order')
    t.match(zero.stderr, /cannot be sealed to/)
    t.equal(run(command, [...args, last], line).status, 0)
    t.equal(run(command, args, line).status, 2)
  })

  if (contexts === undefined) continue
  t.test(`When a context is valid here, then it is in ${name}, to the byte; when not, then not`, async t => {
    const table = JSON.parse(readFileSync(new URL('../vectors/contexts.json', import.meta.url), 'utf8'))
    const random = fc.sample(
      fc.record({
        namespace: fc.oneof(fc.constant('default'), text(34), fc.stringMatching(/^[a-z0-9.-]{0,34}$/)),
        key: fc.oneof(fc.constant('orders'), fc.stringMatching(/^[a-zA-Z0-9._-]{0,34}$/)),
        field: fc.oneof(fc.constant('card.number'), fc.string({ maxLength: 33 })),
        record: text(140),
      }),
      300,
    )
    const expected = [
      ...table.map(({ info }: { info: string | null }) => info ?? 'bad-context'),
      ...random.map(context => {
        try {
          return Buffer.from(contextInfo(context)).toString('hex')
        } catch {
          return 'bad-context'
        }
      }),
    ]
    const { stdout, stderr, status } = run(...contexts, JSON.stringify([...table, ...random]))
    t.equal(stderr, '')
    t.equal(status, 0)
    t.same(stdout.trimEnd().split('\n'), expected)
    t.ok(expected.filter(info => info === 'bad-context').length > 20)
    t.ok(expected.filter(info => info !== 'bad-context').length > 20)
  })
}

/** Another character of base64url with the same four high bits, so that only bits past the end differ. */
function nextCharacter(character: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return alphabet[alphabet.indexOf(character) ^ 1]!
}

t.test(
  'When a browser or a server seals by hand, then both tokens open, and text that UTF-8 cannot carry is refused',
  async t => {
    for (const suite of ['x', 'p', 'q'] as const) {
      const { privateKey, publicKey } = keyFor(suite)
      for (const seal of [sealer(publicKey), browserSealer(publicKey)]) {
        const place = { field: 'phone', record: 'r/1' }
        const open = (token: string) =>
          new TextDecoder().decode(openField(privateKey, token, { namespace, key, ...place }))
        t.equal(open(seal(place, 'номер 😀')), 'номер 😀')
        t.equal(open(seal(place, new TextEncoder().encode('bytes'))), 'bytes')
        t.throws(() => seal(place, 'half \ud83d'), { code: 'malformed-request', name: 'SealError' })
        t.throws(() => seal({ ...place, record: '\ud83d' }, 'x'), { code: 'bad-context' })
        t.throws(() => seal(place, new Uint8Array(MAX_PLAINTEXT_LENGTH + 1)), { code: 'bad-token' })
      }
      t.throws(() => sealer(`${publicKey}=`), { code: 'bad-key' })
      t.throws(() => browserSealer(`${publicKey}=`), { code: 'bad-key' })
    }
  },
)

t.test('When a field must never be stored, then neither a browser nor a server seals it', async t => {
  const { publicKey } = keyFor('x')
  for (const seal of [sealer(publicKey), browserSealer(publicKey)]) {
    for (const field of delicate) {
      const attempt = () => seal({ field, record: 'r/1' }, '123')
      if (isForbiddenField(field)) t.throws(attempt, { code: 'forbidden-field' }, field)
      else t.ok(attempt(), field)
    }
  }
  t.same(delicate.filter(isForbiddenField).length, 3 * FORBIDDEN_FIELDS.length)
})

t.test(
  'When there is neither Buffer nor process, as in a browser, then the browser entry seals all the same',
  async t => {
    const entry = new URL('../../host-agent/seal/seal-browser.ts', import.meta.url).href
    for (const suite of ['x', 'p', 'q'] as const) {
      const { privateKey, publicKey } = keyFor(suite)
      const place = { field: 'phone', record: 'r/1' }
      const script = `
      const print = console.log
      delete globalThis.Buffer
      delete globalThis.process
      const { sealer } = await import(${JSON.stringify(entry)})
      print(sealer(${JSON.stringify(publicKey)})(${JSON.stringify(place)}, 'номер 😀'), typeof Buffer, typeof process)`
      const { stdout, stderr, status } = run(...bareNode('--input-type=module', '-e', script), '')
      t.equal(status, 0, stderr)
      const [token, ...globals] = stdout.trim().split(' ')
      t.same(globals, ['undefined', 'undefined'])
      const opened = openField(privateKey, token!, { namespace, key, ...place })
      t.equal(new TextDecoder().decode(opened), 'номер 😀')
    }
  },
)
