/** `claviger key` and `claviger open --source`, as an administrator without an appliance uses them. */
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { type Input, type Result, runner } from './run.ts'

const home = t.testdir()
const run = runner(home)
const WORDS = 'four words in a file'
const TYPED = 'seven words that nobody can ever guess'
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
  t.strictSame(await readdir(home), ['keys.json'])
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
  t.match(await withWords(['key', 'rotate', LOCAL, 'nobody']), { status: 1, stderr: /no key named nobody/ })
  t.match(await withWords(['key', 'rotate', 'local:none.json', 'orders']), {
    status: 1,
    stderr: /no key file none.json/,
  })
})

t.test('When settings.json names the source, then no option has to', async t => {
  await writeFile(join(home, 'settings.json'), JSON.stringify({ source: LOCAL }))
  t.match(await withWords([...OPEN, token]), { status: 0, stdout: '4242424242424242\n' })
  t.match(await run([...OPEN, '--source', 'till', token]), { status: 1, stderr: /no enrolment named till/ })
  t.match(await run([...OPEN, '--as', 'till', token]), { status: 1, stderr: /no enrolment named till/ })
  await writeFile(join(home, 'settings.json'), JSON.stringify({ source: 7 }))
  t.match(await withWords([...OPEN, token]), { status: 1, stderr: /"source" is no source of keys\nhint: / })
  await writeFile(join(home, 'settings.json'), '{}')
})

t.test('When a key is typed, then nothing is written, and the same words open', async t => {
  const before = await readdir(home)
  const shown = await withWords(['key', 'show', 'manual:typed', '--namespace', 'shop'], TYPED)
  const key = /clvp1:x:shop:typed:1:[\w-]{43}/.exec(shown.stdout)?.[0] ?? ''
  t.match(
    shown.stderr,
    /^claviger: risk: the passphrase is the key(.|\n)*hint: open with --source manual:clvp1:/,
  )
  const typed = await sealed(key, 'secret')
  const opening = [...OPEN, '--source', `manual:${key}`]
  t.match(await withWords([...opening, typed], TYPED), {
    status: 0,
    stdout: 'secret\n',
    stderr: /^claviger: risk: /,
  })
  t.match(await withWords([...opening, typed], `${TYPED}s`), {
    status: 1,
    stderr: /gives another key\nhint: /,
  })
  t.match(await withWords([...opening, typed], 'too few words'), {
    status: 1,
    stderr: /20 to 1024 characters\nhint: /,
  })
  t.strictSame(await readdir(home), before)
})

t.test('When a table is moved to another source, then it opens there, and nothing was shown', async t => {
  const target = (await withWords(['key', 'create', 'local:next.json', 'orders-2', '--public'])).stdout.trim()
  const columns = ['--rows', 'csv', '--column', 'card=card.number', '--record', 'cards/{id}']
  const moving = ['key', 'move', '--source', LOCAL, '--to', target, '--purpose', 'move', ...columns]
  const stdin = `id,card\n1,${token}\n2,${token}\n3,\n4,none\n5,t\u00e9\n`
  const moved = await withWords(moving, WORDS, { stdin })
  t.match(moved, { status: 1, stderr: /risk: (.|\n)*moved 1 of 4 fields .*open-failed 1, bad-token 2/ })
  const [, first, ...others] = moved.stdout.trim().split('\n')
  t.match(first, /^1,clv1\.x\.orders-2\.1\.[\w-]+,$/)
  t.strictSame(others, ['2,,card:open-failed', '3,,', '4,,card:bad-token', '5,,card:bad-token'])
  const opening = [...OPEN, '--source', 'local:next.json']
  t.match(await withWords([...opening, first!.split(',')[1]!]), { status: 0, stdout: '4242424242424242\n' })
  const again = await withWords(moving, WORDS, { stdin: `id,card\n${first!.slice(0, -1)}\n` })
  t.match(again, { status: 1, stdout: /1,,card:unknown-key/, stderr: /moved already/ })
  const back = await withWords([...moving.with(5, publicKey), '--json'], WORDS, { stdin })
  t.match(back, { status: 1, stdout: '' }, 'a key of the same name')
  t.match(JSON.parse(back.stderr), { error: { code: 'bad-key' } })
})

t.test('When the usage is wrong, then the exit status is 2, and it says what to do', async t => {
  const cases: [args: string[], message: RegExp][] = [
    [['key'], /create, rotate or show is missing/],
    [['key', 'make', LOCAL], /there is no key make/],
    [['key', 'create', LOCAL], /NAME is missing/],
    [['key', 'show', LOCAL, 'orders'], /show takes no NAME/],
    [['key', 'create', 'manual:a', 'a'], /key create takes local:FILE/],
    [['key', 'create', LOCAL, 'Orders'], /Orders cannot be a name/],
    [['key', 'create', LOCAL, 'a', '--suite', 'z'], /there is no suite z/],
    [['key', 'rotate', LOCAL, 'a', '--suite', 'x'], /--suite is for key create/],
    [['key', 'show', 'nothing:a'], /nothing:a is no source of keys/],
    [['key', 'show', LOCAL], /passphrase of keys.json is needed and there is no terminal/],
    [['key', 'move', '--source', LOCAL, '--purpose', 'a'], /--to is missing/],
    [['key', 'move', '--source', LOCAL, '--purpose', 'a', '--to', 'x'], /--to: the text is not a public key/],
    [['key', 'move', '--source', LOCAL, '--purpose', 'a', '--to', publicKey], /--rows is missing/],
    [[...OPEN, '--source', LOCAL, '--as', 'till', token], /--source and --as/],
    [[...OPEN, '--source', LOCAL, '--at', 'https://x', token], /--at is for an appliance/],
    [[...OPEN, '--source', 'manual:clvp1:x', token], /not a public key/],
    [[...OPEN, '--source', 'till', ...FD, token], /--passphrase-fd is for local: and manual:/],
  ]
  for (let i = 0; i < cases.length; i += 4)
    await Promise.all(
      cases.slice(i, i + 4).map(async ([args, message]) => {
        const { status, stdout, stderr } = await run(args)
        t.match({ status, stdout }, { status: 2, stdout: '' }, `${message}`)
        t.match(stderr, message)
        t.match(stderr, /\n(hint: |claviger )/, `${message}: what to do`)
      }),
    )
  t.notMatch(await readFile(join(home, 'keys.json'), 'utf8'), /orders|staff/)
})
