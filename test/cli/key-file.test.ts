/** A key file on the command line: made, shown, rotated, and opening one field and a table. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { type Input, type Result, runner } from './run.ts'

const home = t.testdir()
const run = runner(home)
const WORDS = 'four words in a file'
const FD = ['--passphrase-fd', '3']
const LOCAL = 'local:keys.json'
const PLACE = ['--field', 'card.number', '--record', 'cards/1']
const OPEN = ['open', '--purpose', 'test', ...PLACE]

const withWords = (args: string[], secret = WORDS, more: Input = {}): Promise<Result> =>
  run([...args, ...FD], { secret, ...more })
const sealed = async (publicKey: string, value: string) =>
  (await run(['seal', '--public-key', publicKey, ...PLACE], { stdin: value })).stdout.trim()

let publicKey = ''
let token = ''

t.test('When a key file is made, then the public key is printed, and the risk is said', async t => {
  const made = await withWords(['key', 'create', LOCAL, 'orders'])
  t.equal(made.status, 0)
  t.match(made.stdout, /^key +version +public key\norders +1 +clvp1:x:default:orders:1:[\w-]{43}\n$/)
  t.match(made.stderr, /^claviger: risk: the keys are on this machine: .*\n(claviger: risk: .*\n){2}$/)
  t.equal((await stat(join(home, 'keys.json'))).mode & 0o777, 0o600)
  t.strictSame(await readdir(home), ['keys.json', 'keys.json.lock'])
  const shown = await withWords(['key', 'show', LOCAL, '--public'])
  publicKey = shown.stdout.trim()
  t.match(made.stdout, publicKey)
  const second = await withWords(['key', 'create', LOCAL, 'staff', '--suite', 'q', '--json'])
  t.match(JSON.parse(second.stdout), { keys: [{ name: 'staff', suite: 'q', versions: [{ version: 1 }] }] })
  t.match(await withWords(['key', 'create', LOCAL, 'staff']), {
    status: 1,
    stdout: '',
    stderr: /there is a key named staff/,
  })
  t.match(await withWords(['key', 'create', 'local:weak.json', 'a'], 'short'), {
    status: 1,
    stderr: /12 to 1024 characters\nhint: /,
  })
  t.match(await withWords(['key', 'create', LOCAL, 'c', '--namespace', 'other']), {
    status: 1,
    stderr: /namespace default/,
  })
})

t.test('When a field is opened with the file, then it is what it was, and the risk is said', async t => {
  token = await sealed(publicKey, '4242424242424242')
  const opening = [...OPEN, '--source', LOCAL]
  const answers = await Promise.all([
    withWords([...opening, token]),
    withWords([...opening, '--reveal', 'last4', token]),
    withWords([...opening, '--json'], WORDS, { stdin: `${token}\n` }),
    withWords([...opening, '--record', 'cards/2', token]),
    withWords([...opening, token], `${WORDS}!`),
    withWords([...opening, '--reveal', 'forward', '--recipient', 'psp', token]),
    withWords([...opening, '--json', token.replace('.orders.', '.others.')]),
  ])
  t.match(answers[0], { status: 0, stdout: '4242424242424242\n', stderr: /^(claviger: risk: .*\n){3}$/ })
  t.match(answers[1], { status: 0, stdout: '4242\n' })
  t.strictSame(JSON.parse(answers[2]!.stdout), { value: '4242424242424242' })
  t.match(answers[3], { status: 1, stdout: '', stderr: /\nclaviger: the ciphertext does not open\n/ })
  t.match(answers[4], { status: 1, stdout: '', stderr: /\nclaviger: the key file does not open: .*\nhint: / })
  t.match(answers[5], { status: 1, stdout: '', stderr: /there is no such recipient/ })
  t.match(JSON.parse(answers[6]!.stdout), { error: { code: 'unknown-key' } })
  for (const { stdout, stderr } of answers) t.notMatch(stdout + stderr, WORDS)
})

t.test('When a table is opened with the file, then every row is what it was', async t => {
  const columns = ['--rows', 'csv', '--column', 'card=card.number', '--record', 'cards/{id}']
  const rows = Array.from({ length: 300 }, (_, i) => `${i},4242-${i}`)
  const table = `id,card\n${rows.join('\n')}\n`
  const sealing = await run(['seal', '--public-key', publicKey, ...columns], { stdin: table })
  const stdin = sealing.stdout.replaceAll(/,\n/g, '\n').replace(',claviger_error', '')
  const opening = ['open', '--purpose', 'test', '--source', LOCAL, ...columns]
  const opened = await withWords(opening, WORDS, { stdin })
  t.match(opened, { status: 0, stderr: /risk: (.|\n)*opened 300 of 300 fields/ })
  t.equal(opened.stdout, `id,card,claviger_error\n${rows.join(',\n')},\n`)
  const asJson = await withWords([...opening, '--json'], WORDS, { stdin })
  t.match(JSON.parse(asJson.stderr), { opened: 300 }, 'what a machine reads is one document')
})

t.test('When a key is rotated, then its old tokens open still', async t => {
  const rotated = await withWords(['key', 'rotate', LOCAL, 'orders', '--public'])
  t.match(rotated, { status: 0, stdout: /^clvp1:x:default:orders:2:/ })
  const fresh = await sealed(rotated.stdout.trim(), 'new')
  for (const [each, value] of [
    [token, '4242424242424242'],
    [fresh, 'new'],
  ] as const)
    t.match(await withWords([...OPEN, '--source', LOCAL, each]), { status: 0, stdout: `${value}\n` })
  t.notMatch(await readFile(join(home, 'keys.json'), 'utf8'), /orders|staff/)
  t.match(await withWords(['key', 'rotate', LOCAL, 'nobody']), { status: 1, stderr: /no key named nobody/ })
  t.match(await withWords(['key', 'rotate', 'local:none.json', 'orders']), {
    status: 1,
    stderr: /no key file none.json/,
  })
})
