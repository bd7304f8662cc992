/** `claviger seal` and `claviger open` as programs, with an appliance of three processes. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { open, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { writeProfile } from '../../host-agent/client/profile.ts'
import { flashCard, PASSPHRASE, startProcesses, temporaryDirectory } from '../support/appliance.ts'
import { bareNode } from '../support/environment.ts'

const MAIN = fileURLToPath(new URL('../../host-agent/cli/main.ts', import.meta.url))
const home = await temporaryDirectory()
const data = await temporaryDirectory()
const card = await flashCard(data.path, '')
const processes = await startProcesses(data.path)
const { appliance } = processes
t.teardown(async () => {
  await appliance.close()
  await processes.stop()
  await Promise.all([home.remove(), data.remove()])
})
await appliance.provision(card)
const admin = await appliance.connect(appliance.admin)
const publicKey = (await admin.createKey('orders')).versions[0]!.publicKey
const strangerKey = (await admin.createKey('other')).versions[0]!.publicKey
for (const profile of [appliance.admin, await appliance.enrol('anna', 'operator', ['orders'])])
  await writeProfile(home.path, profile)
const keyFile = join(home.path, 'orders.pub')
await writeFile(keyFile, `${publicKey}\n`)

interface Result {
  status: number | null
  stdout: string
  stderr: string
}

/** A running command: what it printed so far, and what it printed in the end. */
class Run {
  readonly child: ChildProcessWithoutNullStreams
  readonly ended: Promise<Result>
  stdout = ''

  constructor(args: string[], flags: string[] = []) {
    const env = { ...process.env, CLAVIGER_HOME: home.path }
    this.child = spawn(...bareNode(...flags, MAIN, ...args), { cwd: home.path, env })
    let stderr = ''
    this.child.stdout.setEncoding('utf8').on('data', text => {
      this.stdout += text
    })
    this.child.stderr.setEncoding('utf8').on('data', text => {
      stderr += text
    })
    this.child.stdin.on('error', () => {})
    this.ended = new Promise(resolve =>
      this.child.once('close', status => resolve({ status, stdout: this.stdout, stderr })),
    )
  }

  /** Resolves when so many rows have come out under the header. */
  async rows(count: number): Promise<void> {
    while ((this.stdout.match(/,\n/g)?.length ?? 0) < count && this.child.exitCode === null)
      await new Promise(resolve => setTimeout(resolve, 5))
  }
}

function run(args: string[], input: string | Buffer = ''): Promise<Result> {
  const running = new Run(args)
  running.child.stdin.end(input)
  return running.ended
}

const COLUMNS = ['--column', 'address=address.ship', '--column', 'phone', '--record', 'orders/{id}']
const SEAL = ['seal', '--public-key', `@${keyFile}`, '--rows', 'csv', ...COLUMNS]
const OPEN = ['open', '--purpose', 'ship', '--rows', 'csv', ...COLUMNS]
const HEADER = 'id,name,address,phone'

const orderOf = (i: number) => [`${i}`, `"Ann, ${i}"`, `"Street ${i}\nTown ""T"" é😀"`, `+49 ${i}`]
const table = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => orderOf(from + i).join(','))
const csvOf = (rows: string[]) => [HEADER, ...rows, ''].join('\n')
const openedOf = (rows: string[]) =>
  [`${HEADER},claviger_error`, ...rows.map(row => `${row},`), ''].join('\n')

/** Sealed rows, without the header and the column of errors. */
const sealedRows = async (from: number, to: number) => {
  const { status, stdout } = await run(SEAL, csvOf(table(from, to)))
  t.equal(status, 0)
  return stdout
    .split('\n')
    .slice(1, -1)
    .map(line => line.replace(/,$/, ''))
}
// Sealed, a row is one line: addresses with line ends became tokens.
const sealed = await sealedRows(0, 2000)

t.test('When a value is sealed and opened, then it is what it was', async t => {
  const place = ['--field', 'address.ship', '--record', 'orders/1']
  const sealing = await run(['seal', '--public-key', publicKey, ...place], 'Straße 1\nTown\r\n')
  t.match(sealing, { status: 0, stderr: '' })
  t.match(sealing.stdout, /^clv1\.x\.orders\.1\.[\w-]+\n$/)
  const token = sealing.stdout.trim()
  const opening = ['open', '--purpose', 'ship', '--reason', 'a test', ...place]
  const answers = await Promise.all([
    run([...opening, token]),
    run(opening, sealing.stdout),
    run([...opening, '-', '--json'], token),
    run([...opening, '--record', 'orders/2', token]),
    run([...opening, '--source', 'anna', token]),
    run([...opening, '--json', token.replace(/.(?=.{20}$)/, c => (c === 'A' ? 'B' : 'A'))]),
  ])
  t.strictSame(
    answers.slice(0, 3).map(({ status, stderr }) => [status, stderr]),
    [
      [0, ''],
      [0, ''],
      [0, ''],
    ],
  )
  t.equal(answers[0]!.stdout, 'Straße 1\nTown\n')
  t.equal(answers[1]!.stdout, 'Straße 1\nTown\n')
  t.strictSame(JSON.parse(answers[2]!.stdout), { value: 'Straße 1\nTown' })
  t.match(answers[3], {
    status: 1,
    stdout: '',
    stderr: /^claviger: the ciphertext does not open\nhint: .+\n$/,
  })
  t.match(
    answers[4],
    { status: 0, stdout: 'Straße 1\nTown\n', stderr: '' },
    'an appliance is one source of three',
  )
  t.match(answers[5], { status: 1 })
  t.match(JSON.parse(answers[5]!.stdout), { error: { code: 'open-failed' } })
})

t.test('When a value is not text, then it is told as base64url', async t => {
  const place = ['--field', 'photo']
  const bytes = Buffer.from([0xff, 0, 10, 0x80])
  const sealing = await run(['seal', '--public-key', publicKey, ...place, '--json'], bytes)
  t.match(sealing.stderr, /^claviger: the value is not text/)
  const { token } = JSON.parse(sealing.stdout)
  const opening = await run(['open', '--purpose', 'ship', ...place, token])
  t.match(opening, { status: 0, stdout: `${bytes.toString('base64url')}\n` })
  t.match(opening.stderr, /^claviger: the value is not text/)
})

t.test('When a table of 2,000 orders is opened, then every row is what it was', async t => {
  const { status, stdout, stderr } = await run(OPEN, csvOf(sealed))
  t.equal(status, 0)
  t.ok(stdout === openedOf(table(0, 2000)))
  t.match(stderr, /^claviger: opened 4000 of 4000 fields in [\d.]+ s\n$/)
})

t.test('When rows are bad, swapped or not ours, then only they come out empty', async t => {
  const rows = sealed.slice(0, 1000)
  const stranger = (
    await run(['seal', '--public-key', strangerKey, '--field', 'phone', '--record', 'orders/900'], '1')
  ).stdout.trim()
  const cells = (i: number) => rows[i]!.split(/,(?! )/)
  const swap = (i: number, j: number) => {
    const [a, b] = [cells(i), cells(j)]
    rows[i] = [a[0], a[1], b[2], a[3]].join(',')
    rows[j] = [b[0], b[1], a[2], b[3]].join(',')
  }
  swap(100, 101)
  rows[500] = '500,"an open quote,,'
  rows[501] = '501,only'
  rows[502] = cells(502).with(2, 'no token').join(',')
  rows[503] = '503,empty,,'
  rows[900] = cells(900).with(3, stranger).join(',')
  const { status, stdout, stderr } = await run(OPEN, csvOf(rows))
  const expected = table(0, 1000).map((row, i) => {
    const [id, name, address, phone] = orderOf(i)
    if (i === 100 || i === 101) return [id, name, '', phone, 'address:open-failed'].join(',')
    if (i === 500) return ',,,,malformed-row'
    if (i === 501) return '501,only,,,malformed-row'
    if (i === 502) return [id, name, '', phone, 'address:bad-token'].join(',')
    if (i === 503) return '503,empty,,,'
    if (i === 900) return [id, name, address, '', 'phone:not-granted'].join(',')
    return `${row},`
  })
  t.equal(status, 1)
  t.ok(stdout === [`${HEADER},claviger_error`, ...expected, ''].join('\n'))
  const [summary, ...hints] = stderr.trim().split('\n')
  t.match(summary, /^claviger: opened 1990 of 1994 fields in [\d.]+ s; 4 failed: /)
  t.match(summary, /; 2 rows could not be read: malformed-row 2; the first failure is in row 101$/)
  t.match(hints, [/^hint: open-failed: /, /^hint: bad-token: /, /^hint: not-granted: /])

  const asJson = await run([...OPEN, '--json'], csvOf(rows))
  t.equal(asJson.status, 1)
  t.ok(asJson.stdout === stdout)
  t.match(JSON.parse(asJson.stderr), {
    rows: 1000,
    fields: 1994,
    opened: 1990,
    failed: { 'open-failed': 2, 'bad-token': 1, 'not-granted': 1 },
    badRows: { 'malformed-row': 2 },
    firstFailure: 101,
  })
})

t.test('When NDJSON holds what no request would take, then each fails alone', async t => {
  const rows = ['--rows', 'ndjson', '--column', 'a', '--record', '{id}']
  const values = ['x'.repeat(65_536), 'x'.repeat(65_537), 'y', 1234]
  const input = values.map((a, id) => JSON.stringify({ a, id })).join('\n')
  const sealing = await run(['seal', '--public-key', publicKey, ...rows], input)
  t.match(sealing, { status: 1, stderr: /sealed 3 of 4 fields .*1 failed: too-large 1; .*\nhint: too-large/ })
  const lines = sealing.stdout.trim().split('\n')
  t.match(lines[1], '{"a":null,"id":1,"claviger_error":"a:too-large"}')
  // Together over 1 MiB, in one row and in several; and items that the schema of the request refuses.
  const wide = Array.from({ length: 14 }, (_, i) => ['--column', `c${i}=a`]).flat()
  const token = JSON.parse(lines[0]!).a as string
  const big = Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`c${i}`, token]))
  const odd = {
    c0: 't'.repeat(131_073),
    c1: 'é',
    c2: '',
    c3: null,
    c4: 7,
    c5: 'clv1.x',
    c6: '\ud800',
    c7: [],
  }
  const none = Object.fromEntries(Array.from({ length: 14 }, (_, i) => [`c${i}`, null]))
  const objects = [
    { ...none, ...big, id: 0 },
    { ...none, ...odd, id: 0 },
    { ...none, c0: token, id: 'é'.repeat(128) },
    ...Array.from({ length: 20 }, () => ({ ...none, c3: token, id: 0 })),
  ]
  const opening = await run(
    ['open', '--purpose', 'ship', '--rows', 'ndjson', ...wide, '--record', '{id}'],
    objects.map(row => JSON.stringify(row)).join('\n'),
  )
  t.equal(opening.status, 1)
  const opened = opening.stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  const ids = (row: Record<string, unknown>, value: unknown) =>
    Object.keys(row).filter(key => row[key] === value)
  t.strictSame(ids(opened[0], values[0]), Object.keys(big))
  t.equal(
    opened[1].claviger_error,
    'c6:not-text,c7:not-text,c0:bad-token,c1:bad-token,c4:bad-token,c5:bad-token',
  )
  t.strictSame([opened[1].c2, opened[1].c1, opened[1].c4], ['', null, null])
  t.equal(opened[2].claviger_error, 'c0:bad-context')
  t.equal(opened.length, 23)
  t.ok(opened.slice(3).every(row => row.c3 === values[0]))
})

t.test('When the gate is killed in mid-stream, then no row is lost and none comes twice', async t => {
  const running = new Run(OPEN)
  const { stdin } = running.child
  stdin.write(csvOf(sealed.slice(0, 500)))
  for (const from of [500, 1000]) {
    await running.rows(from - 400)
    const restarted = processes.line(/gate=\d+/)
    stdin.write(`${sealed.slice(from, from + 500).join('\n')}\n`)
    process.kill(processes.pidOf('gate'), 'SIGKILL')
    await restarted
  }
  await running.rows(1000)
  process.kill(processes.pidOf('gate'), 'SIGKILL')
  stdin.end(`${sealed.slice(1500).join('\n')}\n`)
  const { status, stdout, stderr } = await running.ended
  t.match({ status, stderr }, { status: 0, stderr: /opened 4000 of 4000 fields/ })
  t.ok(stdout === openedOf(table(0, 2000)))
})

t.test('When the device is locked in mid-stream, then whole rows were written, and it says why', async t => {
  const running = new Run(OPEN)
  running.child.stdin.write(csvOf(sealed.slice(0, 1000)))
  await running.rows(900)
  await admin.lock()
  // The input stays open: nobody has to end it before the command gives up.
  running.child.stdin.write(`${sealed.slice(1000).join('\n')}\n`)
  const { status, stdout, stderr } = await running.ended
  t.equal(status, 1)
  const written = Number(/^claviger: stopped; (\d+) rows written/.exec(stderr)?.[1])
  t.ok(written >= 900 && written < 2000, `${written} rows`)
  t.ok(stdout === openedOf(table(0, written)))
  t.match(stderr, /\nclaviger: the device is locked\nhint: unlock it with claviger unlock\n$/)

  const [one, asJson] = await Promise.all([
    run(['open', '--purpose', 'ship', '--field', 'phone', 'clv1.x.orders.1.AAAA']),
    run([...OPEN, '--json'], csvOf(sealed.slice(0, 10))),
  ])
  t.match(one, { status: 1, stdout: '', stderr: /^claviger: the device is locked\nhint: / })
  t.match(asJson, { status: 1, stdout: '' })
  t.match(JSON.parse(asJson.stderr), { rows: 0, opened: 0, error: { code: 'wrong-state' } })
  await admin.unlock({ passphrase: PASSPHRASE })
})

t.test('When the agent is revoked in mid-stream, then it stops', async t => {
  await writeProfile(home.path, await appliance.enrol('bert', 'operator', ['orders']))
  const running = new Run([...OPEN, '--as', 'bert'])
  running.child.stdin.write(csvOf(sealed.slice(0, 500)))
  await running.rows(400)
  await admin.revoke('bert')
  running.child.stdin.end(`${sealed.slice(500).join('\n')}\n`)
  const { status, stdout, stderr } = await running.ended
  await rm(join(home.path, 'bert.json'))
  t.equal(status, 1)
  const written = Number(/stopped; (\d+) rows written/.exec(stderr)?.[1])
  t.ok(stdout === openedOf(table(0, written)))
  // Its connections are closed; which of the two is first to notice is chance.
  t.match(
    stderr,
    /\nclaviger: (the caller is not an enrolled agent|the device does not accept the certificate)/,
  )
})

t.test('When the usage is wrong, then the exit status is 2, and it says what to do', async t => {
  const one = ['open', '--purpose', 'ship', '--as', 'anna']
  const cases: [args: string[], message: RegExp, input?: string][] = [
    [['open', 'clv1.x'], /--purpose is missing/],
    [['open', '--purpose', 'No', 'clv1.x'], /No is not a purpose/],
    [[...one, 'clv1.x'], /--field is missing/],
    [[...one, '--field', 'a', 'clv1.x', 'clv1.y'], /clv1.y is one argument too many/],
    [[...one, '--field', 'a', '--column', 'a', 'clv1.x'], /--column is for --rows/],
    [[...one, '--field', 'a'], /there is no token on standard input/],
    [[...OPEN, '--field', 'a'], /--rows takes neither/],
    [['open', '--purpose', 'a', '--rows', 'xml'], /there is no format xml/],
    [OPEN, /there is no header line/],
    [OPEN, /there is no column phone/, 'id;address\n'],
    [['seal', '--field', 'a'], /--public-key is missing/],
    [['seal', '--public-key', 'clvp1:x', '--field', 'a'], /--public-key: the text is not a public key/],
    [['seal', '--public-key', '@nowhere', '--field', 'a'], /nowhere cannot be read: ENOENT/],
    [['seal', '--public-key', publicKey, '--field', 'a'], /there is no value on standard input/],
    [['seal', '--public-key', publicKey, '--field', 'a', 'secret'], /one argument too many/],
    [['seal', '--public-key', publicKey, '--field', 'a', '--record', 'é'.repeat(128)], /at most 255 bytes/],
  ]
  for (let i = 0; i < cases.length; i += 4)
    await Promise.all(
      cases.slice(i, i + 4).map(async ([args, message, input]) => {
        const { status, stdout, stderr } = await run(args, input)
        t.match({ status, stdout }, { status: 2, stdout: '' }, `${message}`)
        t.match(stderr, new RegExp(`^claviger: .*${message.source}`), `${message}: message`)
        t.match(stderr, /\n(hint: |claviger (open|seal) )/, `${message}: what to do`)
      }),
    )
  t.match(await run(['open', '--help']), { status: 0, stdout: '', stderr: /claviger_error/ })
})

t.test(
  'When the output cannot be written, then it says so',
  { skip: process.platform !== 'linux' },
  async t => {
    const full = await open('/dev/full', 'w')
    const env = { ...process.env, CLAVIGER_HOME: home.path }
    const child = spawn(...bareNode(MAIN, ...OPEN), { env, stdio: ['pipe', full.fd, 'pipe'] })
    let stderr = ''
    child.stderr!.setEncoding('utf8').on('data', text => {
      stderr += text
    })
    child.stdin!.end(csvOf(sealed.slice(0, 10)))
    const status = await new Promise(resolve => child.once('close', resolve))
    await full.close()
    t.equal(status, 1)
    t.match(stderr, /^claviger: the output cannot be written: ENOSPC/)
  },
)

t.test(
  'When a table is far larger than memory is allowed to be, then memory stays',
  { skip: process.platform !== 'linux' },
  async t => {
    const rows = { csv: '1,"Ann, A",,\n', ndjson: '{"id":1,"address":null,"phone":""}\n' }
    for (const format of ['csv', 'ndjson'] as const) {
      // Little room, so that garbage is not taken for what is held.
      const flags = ['--max-old-space-size=40', '--max-semi-space-size=4']
      const running = new Run(SEAL.with(SEAL.indexOf('csv'), format), flags)
      running.child.stdout.removeAllListeners('data').resume()
      const { stdin, pid } = running.child
      const write = (chunk: Buffer) => new Promise<unknown>(resolve => stdin.write(chunk, resolve))
      if (format === 'csv') await write(Buffer.from(`${HEADER}\n`))
      const some = Buffer.from(rows[format].repeat(Math.ceil(1_048_576 / rows[format].length)))
      for (let i = 0; i < 10; i++) await write(some)
      const endless = Buffer.alloc(1_048_576, '"x,')
      for (let i = 0; i < 160; i++) await write(endless)
      const status = readFileSync(`/proc/${pid}/status`, 'utf8')
      const peak = Number(/VmHWM:\s+(\d+) kB/.exec(status)![1]) / 1024
      stdin.end('\n')
      t.match(await running.ended, {
        status: 1,
        stderr: /sealed 0 of 0 fields .*1 row could not be read: too-large 1/,
      })
      t.ok(peak < 220, `${format}: ${Math.round(peak)} MiB`)
    }
  },
)
