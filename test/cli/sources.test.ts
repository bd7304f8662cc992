/** Which source a command opens with: by option, by setting, typed; and moving a table from one to another. */
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { changeKeyFile } from '../../host-agent/client/sources/key-file-disk.ts'
import { createKey } from '../../host-agent/client/sources/key-ring.ts'
import { OwnKeys } from '../../host-agent/client/sources/own-keys.ts'
import { sealer } from '../../host-agent/seal/seal.ts'
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

/** Makes a file that costs little, and returns its public key. */
async function makeFile(file: string, name: string): Promise<string> {
  const fresh = () => {
    const ring = { namespace: 'default', keys: [] }
    createKey(ring, name, 'x', 1)
    return ring
  }
  const ring = await changeKeyFile(join(home, file), WORDS, fresh, { m: 64, t: 1, p: 1 })
  return (await new OwnKeys('local', ring).listKeys())[0]!.versions[0]!.publicKey
}

const sealed = (key: string, value: string) => sealer(key)({ field: 'card.number', record: 'cards/1' }, value)
const publicKey = await makeFile('keys.json', 'orders')
const token = sealed(publicKey, '4242424242424242')

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
  const typed = sealed(key, 'secret')
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
  const target = await makeFile('next.json', 'orders-2')
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
})
