/** Tables of sealed cells: readers, writers, and the conversion between them, without a device. */
import { setTimeout as sleep } from 'node:timers/promises'
import { parse as parseCsv } from 'csv-parse/sync'
import fc from 'fast-check'
import t from 'tap'
import { UsageError } from '../../host-agent/cli/command.ts'
import { convert, newTally, type Tally, type Work } from '../../host-agent/cli/rows/convert.ts'
import { csv } from '../../host-agent/cli/rows/csv.ts'
import { CsvCutter, type CsvRecord } from '../../host-agent/cli/rows/csv-records.ts'
import { propertiesOf } from '../../host-agent/cli/rows/json-object.ts'
import { readMapping } from '../../host-agent/cli/rows/mapping.ts'
import { ndjson } from '../../host-agent/cli/rows/ndjson.ts'
import { MAX_ROW, type ReadOptions, type RowFormat } from '../../host-agent/cli/rows/row.ts'
import { sealer } from '../../host-agent/seal/seal.ts'
import { ClavigerError } from '../../protocol/api/errors.ts'
import { openField } from '../../protocol/envelope/field.ts'
import { generatePrivateKey, importPrivateKey } from '../../protocol/envelope/keys.ts'
import { formatPublicKey } from '../../protocol/envelope/token.ts'

const MAPPING = readMapping(['a=address.ship', 'b=phone'], 'orders/{id}')
const READ: ReadOptions = { needed: ['a', 'b', 'id'], replaced: ['a', 'b'], keepBadRows: true }

const { pkcs8, publicKey } = generatePrivateKey('x')
const privateKey = importPrivateKey('x', pkcs8)
const seal = sealer(
  formatPublicKey({ suite: 'x', namespace: 'default', key: 'orders', version: 1, bytes: publicKey }),
)

const sealing: Work = async tasks =>
  tasks.map(({ field, record, text }) => ({ value: seal({ field, record }, text) }))
const opening: Work = async tasks =>
  tasks.map(({ field, record, text }) => {
    try {
      const context = { namespace: 'default', key: 'orders', field, record }
      return { value: Buffer.from(openField(privateKey, text, context)).toString('utf8') }
    } catch (error) {
      return { code: (error as ClavigerError).code }
    }
  })
const keeping: Work = async tasks => tasks.map(({ text }) => ({ value: text }))

/** Cuts bytes at the given sizes in turn. */
async function* inChunks(bytes: Buffer, sizes: readonly number[]) {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!
    yield bytes.subarray(at, at + size)
    at += size
  }
}

async function run(
  format: RowFormat,
  input: string | Buffer,
  work: Work,
  { sizes = [65_536], read = READ }: { sizes?: readonly number[]; read?: ReadOptions } = {},
): Promise<{ output: string; bytes: Buffer; tally: Tally }> {
  const parts: Buffer[] = []
  const tally = newTally()
  await convert({
    rows: format.read(inChunks(Buffer.from(input as string), sizes), read),
    mapping: MAPPING,
    work,
    tally,
    write: async text => void parts.push(Buffer.from(text, format.encoding)),
    stop: () => {},
  })
  const bytes = Buffer.concat(parts)
  return { output: bytes.toString('utf8'), bytes, tally }
}

const failures = ({ failed, bad }: Tally) => ({ ...Object.fromEntries(failed), ...Object.fromEntries(bad) })

const text = fc.string({
  unit: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom('"', '\n', '\r', ',', ';', '\t', '|', '\\', ' ', '=', '{', '}') },
    { weight: 5, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }) },
  ),
  maxLength: 40,
})
const cell = fc.oneof(fc.constant(''), text)
const id = fc.oneof(fc.nat().map(String), fc.uuid())
const tables = fc.array(fc.record({ id, a: cell, b: cell, note: cell }), { maxLength: 30 })
const chunkSizes = fc.array(fc.integer({ min: 1, max: 97 }), { minLength: 1, maxLength: 5 })

const quote = (value: string, delimiter: string) =>
  /["\r\n]/.test(value) || value.includes(delimiter) ? `"${value.replaceAll('"', '""')}"` : value

t.test('When a random CSV table is sealed and opened, then it is what it was, byte for byte', async t => {
  const property = fc.asyncProperty(
    tables,
    fc.constantFrom(',', ';', '\t', '|'),
    fc.constantFrom('\n', '\r\n'),
    fc.constantFrom('', '\ufeff'),
    chunkSizes,
    async (rows, delimiter, lineEnd, mark, sizes) => {
      const line = (cells: string[]) => cells.map(value => quote(value, delimiter)).join(delimiter) + lineEnd
      const head = ['id', 'a', 'note', 'b', 'claviger_error']
      const input = mark + line(head) + rows.map(({ id, a, b, note }) => line([id, a, note, b, ''])).join('')
      const sealed = await run(csv, input, sealing, { sizes })
      const opened = await run(csv, sealed.bytes, opening, { sizes })
      const count = rows.flatMap(({ a, b }) => [a, b]).filter(value => value !== '').length
      return (
        opened.output === input &&
        sealed.tally.done === count &&
        opened.tally.done === count &&
        sealed.output.split('clv1.x.orders.1.').length - 1 === count &&
        rows.every(({ a }) => a.length < 20 || !sealed.output.includes(a))
      )
    },
  )
  await fc.assert(property, { numRuns: 60 })
  t.end()
})

t.test('When a random NDJSON table is sealed and opened, then it is what it was', async t => {
  const property = fc.asyncProperty(
    fc.array(fc.record({ id, a: cell, b: fc.option(cell), 'x y': fc.jsonValue() }), { maxLength: 20 }),
    chunkSizes,
    async (rows, sizes) => {
      const input = rows.map(row => `${JSON.stringify(row)}\n`).join('')
      const sealed = await run(ndjson, input, sealing, { sizes })
      const opened = await run(ndjson, sealed.bytes, opening, { sizes })
      return opened.output === input && sealed.tally.done === opened.tally.done
    },
  )
  await fc.assert(property, { numRuns: 60 })
  t.end()
})

t.test('When bytes are no table, then no reader throws, and how they are cut changes nothing', async t => {
  const noise = fc.string({
    unit: fc.oneof(
      fc.constantFrom('"', '""', '\n', '\r\n', '\r', ',', '1', 'x', '\0', '{', '}', '[', ':', '\\'),
      fc.constantFrom('{"a":"t","b":"","id":1}', '1,2,3\n', '"a":', 'null', '\ufeff'),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 3 }),
    ),
    maxLength: 60,
  })
  const bytes = fc.oneof(
    noise.map(value => Buffer.from(value)),
    fc.uint8Array({ maxLength: 200 }).map(value => Buffer.from(value)),
  )
  const property = fc.asyncProperty(bytes, chunkSizes, async (body, sizes) => {
    for (const [format, head] of [
      [csv, 'id,a,b\n'],
      [ndjson, ''],
    ] as const) {
      const input = Buffer.concat([Buffer.from(head), body])
      const whole = await run(format, input, keeping)
      const cut = await run(format, input, keeping, { sizes })
      if (Buffer.compare(whole.bytes, cut.bytes) !== 0) return false
      if (JSON.stringify(failures(whole.tally)) !== JSON.stringify(failures(cut.tally))) return false
    }
    return true
  })
  await fc.assert(property, { numRuns: 300 })
  t.end()
})

async function cutCsv(input: Buffer, sizes: readonly number[], delimiter = ','): Promise<CsvRecord[]> {
  const cutter = new CsvCutter(delimiter)
  const records: CsvRecord[] = []
  for await (const chunk of inChunks(input, sizes)) records.push(...(await cutter.push(chunk)))
  return [...records, ...(await cutter.end())]
}

t.test('When CSV is cut into records, then no byte of it is lost', async t => {
  const dirty = fc.string({
    unit: fc.constantFrom('"', '"', ',', '\n', '\r\n', 'x', 'é', ' '),
    maxLength: 80,
  })
  const property = fc.asyncProperty(dirty, chunkSizes, async (input, sizes) => {
    const records = await cutCsv(Buffer.from(input), sizes)
    const ends = records.map(({ end }) => end)
    return (
      Buffer.from(records.map(({ raw }) => raw).join(''), 'latin1').equals(Buffer.from(input)) &&
      ends.every((end, i) => end > (ends[i - 1] ?? 0)) &&
      (ends.at(-1) ?? 0) === Buffer.byteLength(input)
    )
  })
  await fc.assert(property, { numRuns: 400 })
  t.end()
})

t.test('When CSV is strict, then its cells are those that csv-parse reads from the whole', async t => {
  const property = fc.asyncProperty(
    fc.array(fc.tuple(text, text, fc.boolean()), { minLength: 1, maxLength: 12 }),
    chunkSizes,
    async (rows, sizes) => {
      const input = rows
        .map(([a, b, quoted]) => `"${a.replaceAll('"', '""')}",${quoted ? quote(b, ',') : ''}\n`)
        .join('')
      const read = (await cutCsv(Buffer.from(input), sizes)).map(({ cells }) =>
        cells?.map(value => Buffer.from(value, 'latin1').toString('utf8')),
      )
      const expected = rows.map(([a, b, quoted]) => [a, quoted ? b : ''])
      const oracle = parseCsv(input, { relax_column_count: true, record_delimiter: ['\r\n', '\n'] })
      return (
        JSON.stringify(read) === JSON.stringify(expected) && JSON.stringify(oracle) === JSON.stringify(read)
      )
    },
  )
  await fc.assert(property, { numRuns: 150 })
  t.end()
})

t.test('When a CSV row is bad, then it alone is, and it says so', async t => {
  const cases: [name: string, row: string, expected: string][] = [
    ['too few cells', '2,A2', '2,,,malformed-row'],
    ['too many cells', '2,A2,B2,B3', '2,,,malformed-row'],
    ['an open quote', '2,"A2,B2', ',,,malformed-row'],
    ['an open quote at the end of the row', '2,A2,"', ',,,malformed-row'],
    ['a row over the limit', `2,${'x'.repeat(MAX_ROW)},B2`, ',,,too-large'],
    ['an endless quoted cell', `2,"${'x'.repeat(MAX_ROW)}",B2`, ',,,too-large'],
    ['nothing but delimiters', ','.repeat(MAX_ROW), ',,,too-large'],
    ['no id', ',A2,B2', ',,,id:missing-column'],
    ['a record that is too long', `${'é'.repeat(128)},A2,`, `${'é'.repeat(128)},,,a:bad-context`],
  ]
  for (const [name, row, expected] of cases) {
    const input = `id,a,b\n1,A1,B1\n${row}\n3,A3,"B ""3"""\n4,,\n`
    const { output, tally } = await run(csv, input, keeping)
    const head = 'id,a,b,claviger_error\n1,A1,B1,\n'
    t.equal(output, `${head}${expected}\n3,A3,"B ""3""",\n4,,,\n`, name)
    t.equal(tally.rows, 4, `${name}: rows`)
    t.equal(tally.firstFailure, 2, `${name}: the first failure`)
  }
  t.end()
})

t.test('When a quote is never closed, then one row is lost, however many follow', async t => {
  const rows = Array.from({ length: 60_000 }, (_, i) => `${i},A ${i},B "" ${i}\n`.replace(' "" ', ' '))
  const { output, tally } = await run(csv, `id,a,b\n"\n${rows.join('')}`, keeping)
  t.equal(tally.rows, 60_001)
  t.strictSame(failures(tally), { 'malformed-row': 1 })
  t.equal(
    output,
    `id,a,b,claviger_error\n,,,malformed-row\n${rows.map(row => row.replace('\n', ',\n')).join('')}`,
  )
  t.end()
})

t.test('When a cell holds nearly a row of lines, then it stays one cell', async t => {
  const long = '"text,\n'.repeat(128_000)
  const input = `id,a,b\n1,${quote(long, ',')},B\n`
  t.ok(input.length > 0.95 * MAX_ROW)
  const { output, tally } = await run(csv, input, keeping)
  t.ok(output === `id,a,b,claviger_error\n1,${quote(long, ',')},B,\n`)
  t.strictSame(failures(tally), {})
  t.end()
})

t.test('When CSV is sloppy, then what can be read is read', async t => {
  const input = 'id,a,b\n1,5" nail,x"y\n2,"A ""2""" ,B\n\n3,"two\nlines",B'
  const { output, tally } = await run(csv, input, keeping)
  t.equal(
    output,
    'id,a,b,claviger_error\n1,"5"" nail","x""y",\n2,"""A """"2"""""" ",B,\n\n3,"two\nlines",B,\n'.replace(
      '"""A """"2"""""" "',
      quote('"A "2"" ', ','),
    ),
  )
  t.strictSame(failures(tally), {})
  t.end()
})

t.test('When cells of CSV are not sealed, then they keep their quotes and their encoding', async t => {
  const latin1 = Buffer.from('id,a,b,"c"\n1,A,B,"Stra\xdfe"\n2,Stra\xdfe,B,""\n', 'latin1')
  const { bytes, tally } = await run(csv, latin1, sealing)
  const output = bytes.toString('latin1')
  t.match(output, /^id,a,b,"c",claviger_error\n1,clv1\S+,clv1\S+,"Stra\xdfe",\n2,,clv1\S+,"",a:not-text\n$/)
  t.strictSame(failures(tally), { 'not-text': 1 })
  t.end()
})

t.test('When the header does not fit, then it is a usage error', async t => {
  const cases = ['', '\n', 'id,a\n', 'id,a,b,a\n', '"id,a,b', '\ufeff', `${'x'.repeat(2 * MAX_ROW)}\n`]
  for (const input of [...cases, Buffer.from('\ufeffid,a,b\n', 'utf16le')]) {
    const error = await run(csv, input, keeping).catch(error => error)
    t.ok(error instanceof UsageError, JSON.stringify(String(input).slice(0, 20)))
  }
  t.end()
})

t.test('When an NDJSON row is bad, then it alone is, and it says so', async t => {
  const deep = `{"id":2,"a":${'['.repeat(400_000)}${']'.repeat(400_000)},"b":"B2"}`
  const kept = (row: string) => JSON.stringify({ claviger_row: row, claviger_error: 'malformed-row' })
  const failed = (row: string, errors: string) => row.replace(/}$/, `,"claviger_error":"${errors}"}`)
  const cases: [name: string, row: string, expected: string][] = [
    ['no JSON', '{"id":2,', kept('{"id":2,')],
    ['no object', '["id"]', kept('["id"]')],
    ['a number', '7', kept('7')],
    ['deeply nested and open', '['.repeat(900_000), kept('['.repeat(900_000))],
    ['a column twice', '{"id":2,"a":"A","a":"B","b":""}', kept('{"id":2,"a":"A","a":"B","b":""}')],
    ['over the limit', `{"a":"${'x'.repeat(MAX_ROW)}"}`, '{"claviger_error":"too-large"}'],
    ['no column', '{"id":2,"b":"B2"}', failed('{"id":2,"b":"B2"}', 'a:missing-column')],
    ['no id', '{"id":null,"a":"A2","b":""}', failed('{"id":null,"a":null,"b":""}', 'id:missing-column')],
    [
      'no text',
      '{"id":2,"a":{"x":1},"b":true}',
      failed('{"id":2,"a":null,"b":null}', 'a:not-text,b:not-text'),
    ],
    ['deeply nested', deep, failed('{"id":2,"a":null,"b":"B2"}', 'a:not-text')],
    ['half a pair', '{"id":2,"a":"\\ud800","b":""}', failed('{"id":2,"a":null,"b":""}', 'a:not-text')],
    [
      'an error before',
      '{"id":2,"a":1,"b":[],"claviger_error":"z:old"}',
      '{"id":2,"a":"1","b":null,"claviger_error":"z:old,b:not-text"}',
    ],
    [
      '__proto__',
      '{"id":2,"__proto__":{"a":"x"},"b":""}',
      failed('{"id":2,"__proto__":{"a":"x"},"b":""}', 'a:missing-column'),
    ],
  ]
  for (const [name, row, expected] of cases) {
    const around = ['{"id":1,"a":"A1","b":"B1"}\n', '{"id":3,"a":null,"b":""}\n']
    const { output, tally } = await run(ndjson, around.join(`${row}\n`), keeping)
    t.ok(output === around.join(`${expected}\n`), name, { output: output.slice(0, 300) })
    t.equal(tally.rows, 3, `${name}: rows`)
    t.equal(tally.firstFailure, 2, `${name}: the first failure`)
  }
  t.end()
})

t.test('When rows cannot be read while sealing, then nothing of them comes out', async t => {
  const read = { ...READ, keepBadRows: false }
  const tables: [RowFormat, string][] = [
    [csv, 'id,a,b\nsecret,x\n2,x,"secret\nsecret,secret,x,secret\n'],
    [ndjson, '{"id":1,"a":"secret"\n{"id":1,"a":"secret","a":"secret","b":""}\n["secret"]\n'],
  ]
  for (const [format, input] of tables) {
    const { output, tally } = await run(format, input, sealing, { read })
    t.notMatch(output, /secret/)
    t.strictSame(failures(tally), { 'malformed-row': 3 })
  }
  t.end()
})

t.test('When JSON is not sealed, then it stays as it is written', async t => {
  const line =
    ' { "n" : 12345678901234567890 , "id":1e2, "f":1.10,"a": "A\\u0041", "x":{"a":[1.0,"}"]},"u":"\\ud800\\/" , "b":9007199254740993 } \r\n'
  const { output } = await run(ndjson, `\ufeff${line}\n${line.trim()}`, sealing)
  const values = /"a": "(clv1[^"]+)".*"b":"(clv1[^"]+)"/.exec(output)!
  t.equal(
    output.split('\r\n')[0],
    `\ufeff${line.replace('"A\\u0041"', `"${values[1]}"`).replace('9007199254740993', `"${values[2]}"`)}`.slice(
      0,
      -2,
    ),
  )
  const opened = await run(ndjson, output, opening)
  const expected = line.replace('"A\\u0041"', '"AA"').replace('9007199254740993', '"9007199254740993"')
  t.equal(opened.output, `\ufeff${expected}\n${expected.trim()}\n`)
  t.end()
})

t.test('When JSON is an object, then its properties are found where they are', t => {
  const space = fc.constantFrom('', ' ', '\t \r')
  const property = fc.property(
    fc.array(fc.tuple(text, fc.jsonValue(), space, space), { maxLength: 6 }),
    entries => {
      const parts = entries.map(
        ([name, value, a, b]) => `${a}${JSON.stringify(name)}${b}:${a}${JSON.stringify(value, null, b)}${b}`,
      )
      const source = ` {${parts.join(',')}} `
      const properties = propertiesOf(source)!
      return (
        properties.length === entries.length &&
        properties.every(({ name, start, end }, i) => {
          const [expected, value] = entries[i]!
          return name === expected && source.slice(start, end) === JSON.stringify(value, null, entries[i]![3])
        })
      )
    },
  )
  fc.assert(property, { numRuns: 300 })
  t.end()
})

t.test('When a cell was sealed for another row or column, then it comes out empty', async t => {
  const sealed = await run(csv, 'id,a,b\n1,A1,B1\n2,A2,B2\n3,A3,B3\n', sealing)
  const lines = sealed.output.split('\n').map(line => line.split(','))
  ;[lines[1]![1], lines[2]![1]] = [lines[2]![1]!, lines[1]![1]!]
  ;[lines[3]![1], lines[3]![2]] = [lines[3]![2]!, lines[3]![1]!]
  const { output, tally } = await run(csv, lines.map(cells => cells.join(',')).join('\n'), opening)
  t.equal(
    output,
    'id,a,b,claviger_error\n1,,B1,a:open-failed\n2,,B2,a:open-failed\n3,,,"a:open-failed,b:open-failed"\n',
  )
  t.strictSame(failures(tally), { 'open-failed': 4 })
  t.end()
})

const numbered = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `{"id":${from + i},"a":"${from + i}","b":""}\n`).join('')

t.test(
  'When answers come in another order, then rows do not, and four batches are under way at most',
  async t => {
    let underWay = 0
    let most = 0
    const work: Work = async tasks => {
      most = Math.max(most, ++underWay)
      await sleep(Number(tasks[0]!.text) % 7)
      underWay--
      return keeping(tasks)
    }
    const { output } = await run(ndjson, numbered(0, 3000), work)
    t.equal(output, numbered(0, 3000))
    t.equal(most, 4)
    t.end()
  },
)

t.test('When a batch fails as a whole, then exactly the rows before it are written', async t => {
  for (const delay of [0, 5]) {
    const parts: string[] = []
    const tally = newTally()
    let stopped = false
    const source = async function* () {
      yield Buffer.from(numbered(0, 1000))
      await new Promise<void>(resolve => {
        const timer = setInterval(() => {
          if (!stopped) return
          clearInterval(timer)
          resolve()
        }, 1)
      })
    }
    const conversion = convert({
      rows: ndjson.read(source(), READ),
      mapping: MAPPING,
      work: async tasks => {
        const first = Number(tasks[0]!.text)
        if (first === 400) await sleep(delay)
        if (first === 400 || first > 600) throw new ClavigerError('wrong-state')
        await sleep(2)
        return keeping(tasks)
      },
      tally,
      write: async text => void parts.push(text),
      stop: () => {
        stopped = true
      },
    })
    await t.rejects(conversion, { code: 'wrong-state' })
    t.equal(parts.join(''), numbered(0, 400))
    t.equal(tally.rows, 400)
  }
  t.end()
})

t.test('When the input breaks off, then the rows before that are written', async t => {
  const parts: string[] = []
  const source = async function* () {
    yield Buffer.from(numbered(0, 300))
    throw new ClavigerError('bad-response')
  }
  const conversion = convert({
    rows: ndjson.read(source(), READ),
    mapping: MAPPING,
    work: async tasks => {
      await sleep(5)
      return keeping(tasks)
    },
    tally: newTally(),
    write: async text => void parts.push(text),
    stop: () => {},
  })
  await t.rejects(conversion, { code: 'bad-response' })
  t.equal(parts.join(''), numbered(0, 300))
  t.end()
})

t.test('When the options make no mapping, then it is a usage error', t => {
  const cases: [string[], string | undefined][] = [
    [[], 'orders/{id}'],
    [['a'], undefined],
    [['=a'], 'x'],
    [['a='], 'x'],
    [['Straße'], 'x'],
    [['a=Straße'], 'x'],
    [['a', 'a=phone'], 'x'],
    [['claviger_error=a'], 'x'],
    [['a'], 'orders/{a}'],
    [['a'], 'orders/{id'],
    [['a'], 'orders/}'],
    [['a'], 'orders/{}'],
    [['a'], 'orders/{{id}}'],
    [Array.from({ length: 101 }, (_, i) => `c${i}`), 'x'],
  ]
  for (const [columns, record] of cases) {
    let error: unknown
    try {
      readMapping(columns, record)
    } catch (thrown) {
      error = thrown
    }
    t.ok(error instanceof UsageError, `${columns.slice(0, 3)} ${record}`)
  }
  t.strictSame(readMapping(['x=y=address.ship', 'phone'], '{shop}/{id}').columns, [
    { name: 'x=y', field: 'address.ship' },
    { name: 'phone', field: 'phone' },
  ])
  t.end()
})
