/** Entries and checkpoints as text: one form each, and one error for everything else. */

import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import {
  type Checkpoint,
  formatVerifierKey,
  openCheckpoint,
  parseVerifierKey,
  readCheckpoint,
  signCheckpoint,
} from '../../protocol/audit/checkpoint.ts'
import {
  type Entry,
  formatEntry,
  hasRightCrc,
  MAX_LINE_BYTES,
  readEntry,
} from '../../protocol/audit/entry.ts'
import { AuditError, CheckpointError } from '../../protocol/audit/errors.ts'

const text = fc.string({ unit: 'binary', maxLength: 20 })
const item = fc.record(
  {
    key: text,
    field: text,
    reveal: text,
    records: fc.array(text, { maxLength: 3 }),
    grant: text,
    code: text,
  },
  { requiredKeys: ['key', 'field', 'reveal', 'records'] },
)
const detail = fc.dictionary(
  fc.stringMatching(/^[a-z][A-Za-z0-9]{0,31}$/),
  fc.oneof(text, fc.boolean(), fc.double({ noNaN: true, noDefaultInfinity: true })),
  { maxKeys: 4 },
)
const anyEntry: fc.Arbitrary<Entry> = fc.record(
  {
    index: fc.maxSafeNat(),
    time: fc.maxSafeNat(),
    boot: text,
    up: fc.maxSafeNat(),
    agent: text,
    role: text,
    action: text,
    outcome: fc.constantFrom('allowed', 'refused', 'failed'),
    code: text,
    purpose: text,
    reason: text,
    items: fc.array(item, { maxLength: 3 }),
    count: fc.maxSafeNat(),
    detail,
  },
  { requiredKeys: ['index', 'time', 'boot', 'up', 'agent', 'role', 'action', 'outcome'] },
) as fc.Arbitrary<Entry>

const entry: Entry = {
  index: 7,
  time: 1763800000000,
  boot: 'b',
  up: 12,
  agent: 'till-1',
  role: 'operator',
  action: 'decrypt',
  outcome: 'allowed',
}

t.test('When an entry is written and read, then it is the same, on one line, with its CRC', async t => {
  fc.assert(
    fc.property(anyEntry, entry => {
      const line = formatEntry(entry)
      t.same(readEntry(line), JSON.parse(JSON.stringify(entry)))
      return !/[\n\r]/.test(line) && hasRightCrc(Buffer.from(line)) && formatEntry(readEntry(line)!) === line
    }),
    { numRuns: 300 },
  )
  const line = formatEntry({ ...entry, detail: { b: 1, a: 'x' }, purpose: 'ship' })
  t.match(
    line,
    /^\{"index":7,"time":1763800000000,"boot":"b","up":12,"agent":"till-1","role":"operator","action":"decrypt","outcome":"allowed","purpose":"ship","detail":\{"a":"x","b":1\},"crc":"[0-9a-f]{8}"\}$/,
  )
})

t.test('When any bit of a line is flipped, then it is no entry', async t => {
  const line = Buffer.from(
    formatEntry({
      ...entry,
      purpose: 'Größe',
      items: [{ key: 'orders@3', field: 'card', reveal: 'full', records: ['r/1'] }],
    }),
  )
  const readable: number[] = []
  for (let bit = 0; bit < line.length * 8; bit++) {
    const damaged = Buffer.from(line)
    damaged[bit >> 3]! ^= 1 << (bit & 7)
    if (hasRightCrc(damaged) || readEntry(damaged.toString()) !== null) readable.push(bit)
  }
  t.same(readable, [])
})

t.test('When a line is not exactly what we write, then it is no entry', async t => {
  const good = formatEntry({ ...entry, count: 1 })
  t.ok(readEntry(good))
  const lines = [
    '',
    'null',
    '[]',
    '7',
    ` ${good}`,
    `${good}\n`,
    good.replace('{"index":7', '{ "index":7'),
    good.replace('"index":7', '"index":7.0'),
    good.replace('"index":7,"time":1763800000000', '"time":1763800000000,"index":7'),
    good.replace('"count":1', '"count":1,"count":1'),
    good.replace('"count":1', '"count":1,"token":"clv1.x"'),
    good.replace(',"count":1', ',"code":null,"count":1'),
    good.slice(0, -1),
    '['.repeat(100_000),
    'x'.repeat(MAX_LINE_BYTES + 1),
  ]
  for (const line of lines) t.equal(readEntry(line), null, line.slice(0, 60))
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), line => readEntry(line) === null))
})

t.test('When a body makes no entry that could be read again, then it is refused', async t => {
  const bodies: object[] = [
    { index: -1 },
    { time: 1.5 },
    { agent: undefined },
    { outcome: 'perhaps' },
    { items: [{ key: 'orders@3' }] },
    { detail: { 'a b': 1 } },
    { detail: { n: Number.NaN } },
    { detail: { o: {} } },
    { count: 2 ** 53 },
  ]
  for (const body of bodies)
    t.throws(
      () => formatEntry({ ...entry, ...body } as Entry),
      { code: 'malformed-request' },
      JSON.stringify(body),
    )
  t.throws(() => formatEntry({ ...entry, reason: 'ä'.repeat(MAX_LINE_BYTES / 2) }), { code: 'too-large' })
})

const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const origin = 'claviger/default'
const vkey = formatVerifierKey(origin, publicKey)
const anyCheckpoint: fc.Arbitrary<Checkpoint> = fc.record({
  origin: fc.constant(origin),
  size: fc.maxSafeNat(),
  root: fc.uint8Array({ minLength: 32, maxLength: 32 }),
})

t.test('When a checkpoint is signed, then it opens with the public key and with no other', async t => {
  const other = formatVerifierKey(origin, generateKeyPairSync('ed25519').publicKey)
  fc.assert(
    fc.property(anyCheckpoint, checkpoint => {
      const note = signCheckpoint(checkpoint, origin, privateKey)
      t.same(openCheckpoint(note, vkey), checkpoint)
      t.same(readCheckpoint(note), checkpoint)
      t.throws(() => openCheckpoint(note, other), { code: 'bad-checkpoint' })
      return true
    }),
    { numRuns: 30 },
  )
})

const root = new Uint8Array(32).fill(7)
const note = signCheckpoint({ origin, size: 3, root }, origin, privateKey)
const code = (act: () => unknown): string => {
  try {
    act()
    return 'accepted'
  } catch (error) {
    return error instanceof CheckpointError ? error.code : String(error)
  }
}

t.test('When any character of a checkpoint is changed, left out or doubled, then it is refused', async t => {
  const characters = [...note]
  const accepted: string[] = []
  for (let i = 0; i < characters.length; i++) {
    for (const put of [
      '',
      characters[i]! + characters[i]!,
      characters[i] === 'A' ? 'B' : 'A',
      '\n',
      ' ',
      '0',
    ]) {
      const changed = characters.with(i, put).join('')
      if (changed !== note && code(() => openCheckpoint(changed, vkey)) !== 'bad-checkpoint')
        accepted.push(JSON.stringify(changed))
    }
  }
  t.same(accepted, [])
})

t.test('When text is any other thing, then there is one error', async t => {
  const [body, signature] = note.split('\n\n') as [string, string]
  const signed = (text: string) =>
    `${text}\n— ${origin} ${Buffer.concat([
      Buffer.from(vkey.split('+')[1]!, 'hex'),
      sign(null, Buffer.from(text), privateKey),
    ]).toString('base64')}\n`
  const notes = [
    '',
    note.slice(0, -1),
    `${note}\n`,
    `${body}\n\n`,
    note.replaceAll('\n', '\r\n'),
    note.replace('—', '-'),
    signed(`${origin}\n03\n${Buffer.from(root).toString('base64')}\n`),
    signed(`${origin}\n+3\n${Buffer.from(root).toString('base64')}\n`),
    signed(`${origin}\n9007199254740992\n${Buffer.from(root).toString('base64')}\n`),
    signed(`${origin}\n3\n${Buffer.from(root.subarray(1)).toString('base64')}\n`),
    signed(`${origin}\n3\n${Buffer.from(root).toString('base64')}\nan extension\n`),
    signed(`claviger/other\n3\n${Buffer.from(root).toString('base64')}\n`),
    `${body}\n\n${signature.trimEnd()}\n`.repeat(2),
    `${body}\n\n${signature.repeat(17)}`,
    note.padEnd(9000, ' '),
    'x'.repeat(1_000_000),
  ]
  for (const text of notes)
    t.equal(
      code(() => openCheckpoint(text, vkey)),
      'bad-checkpoint',
      text.slice(0, 80),
    )
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      text => code(() => openCheckpoint(text, vkey)) === 'bad-checkpoint',
    ),
  )
  t.equal(
    code(() => openCheckpoint(undefined as never, vkey)),
    'bad-checkpoint',
  )
})

t.test('When a witness has signed too, then its signature is passed over and ours still decides', async t => {
  const witness = `— witness.example ${Buffer.alloc(76, 1).toString('base64')}\n`
  t.equal(openCheckpoint(note + witness, vkey).size, 3)
  t.throws(() => openCheckpoint(`${note.split('\n\n')[0]}\n\n${witness}`, vkey), { code: 'bad-checkpoint' })
  const forged = note.replace(/ ([A-Za-z0-9+/]{20})/, (_, start) => ` ${start.slice(0, 8)}${'A'.repeat(12)}`)
  t.throws(() => openCheckpoint(note + forged.split('\n\n')[1], vkey), { code: 'bad-checkpoint' })
})

t.test(
  'When a verifier key is copied, then it is the key; when it is not whole, then it is refused',
  async t => {
    const parsed = parseVerifierKey(vkey)
    t.equal(parsed.name, origin)
    t.ok(parsed.publicKey.equals(createPublicKey(privateKey)))
    t.equal(formatVerifierKey(origin, privateKey), vkey)
    const accepted: string[] = []
    for (let i = 0; i < vkey.length; i++) {
      for (const put of ['', 'A', '+', ' ', '=']) {
        const changed = vkey.slice(0, i) + put + vkey.slice(i + 1)
        if (changed === vkey) continue
        try {
          parseVerifierKey(changed)
          accepted.push(changed)
        } catch (error) {
          if (!(error instanceof AuditError) || error.code !== 'bad-key') accepted.push(String(error))
        }
      }
    }
    t.same(accepted, [])
    t.throws(() => formatVerifierKey('two words', publicKey), { code: 'bad-key' })
    t.throws(() => formatVerifierKey(origin, generateKeyPairSync('x25519').publicKey), { code: 'bad-key' })
  },
)
