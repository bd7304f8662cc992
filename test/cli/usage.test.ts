/** What `claviger` says of commands that make no sense. None of them gets as far as a device. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { makeCard } from '../../host-agent/client/card.ts'
import { writeProfile } from '../../host-agent/client/profile.ts'
import { runner } from './run.ts'

const home = t.testdir()
const run = runner(home)
const { profile } = makeCard('owner', 'box')
for (const each of [profile, { ...profile, name: 'till', role: 'operator' as const }])
  await writeProfile(home, { ...each, device: 'A'.repeat(43), addresses: ['https://127.0.0.1:1'] })
const token = 'clv1.x.orders.1.AAAA'
const OPEN = ['open', '--as', 'till', '--purpose', 'charge', '--field', 'card.number', '--record', 'cards/1']

t.test('When the usage is wrong, then the exit status is 2, and it says what to do', async t => {
  const privateKey = join(home, 'private.txt')
  writeFileSync(privateKey, JSON.stringify({ kty: 'OKP', crv: 'X25519', x: 'AA', d: 'AA' }))
  const grant = ['admin', 'grant', 'add', 'till', '--key', 'orders', '--field', 'a', '--purpose', 'b']
  const cases: [args: string[], message: RegExp][] = [
    [['admin', 'grant'], /list, add, remove or explain is missing/],
    [['admin', 'grant', 'change'], /there is no admin grant change/],
    [['admin', 'grant', 'add'], /AGENT is missing/],
    [['admin', 'grant', 'add', 'till'], /--key is missing/],
    [grant, /--reveal is missing/],
    [[...grant, '--reveal', 'some'], /there is no reveal some/],
    [[...grant, '--reveal', 'full', '--field', 'a'], /--field a is given twice/],
    [[...grant, '--reveal', 'full', '--field', 'a*'], /a\* is not a field/],
    [[...grant, '--reveal', 'full', '--budget', 'week=1'], /no budget per week/],
    [[...grant, '--reveal', 'full', '--hours', 'always'], /days, times and a time zone/],
    [['admin', 'grant', 'explain', '--agent', 'till'], /--key is missing/],
    [['admin', 'recipient', 'add', 'x'], /--jwk is missing/],
    [['admin', 'recipient', 'add', 'x', '--jwk', 'nowhere'], /nowhere cannot be read: ENOENT/],
    [['admin', 'recipient', 'add', 'x', '--jwk', privateKey], /private.txt holds a private key/],
    [['admin', 'recipient', 'add', 'x', '--jwk', 'till.json'], /till.json is not a JSON Web Key/],
    [['admin', 'key', 'canary', 'orders', '--field', 'card.number'], /--record is missing/],
    [['admin', 'key', 'create', 'x', '--record', 'y'], /--record is for admin key canary/],
    [['admin', 'settings', 'set'], /what is to be set/],
    [['admin', 'settings', 'set', '--free', '0'], /--free takes a number from 1 to 100/],
    [['lockdown', 'now'], /there is no lockdown now/],
    [[...OPEN, '--reveal', 'mask', '--keep', '9', token], /--keep takes a number from 1 to 6/],
    [[...OPEN, '--keep', '2', token], /--keep is for --reveal mask/],
    [[...OPEN, '--reveal', 'forward', token], /--recipient is missing/],
    [[...OPEN, '--reveal', 'equals', token], /value to compare with is needed/],
    [[...OPEN, '--candidate-fd', '3', token], /--candidate-fd is for --reveal equals/],
  ]
  for (let i = 0; i < cases.length; i += 4)
    await Promise.all(
      cases.slice(i, i + 4).map(async ([args, message]) => {
        const { status, stdout, stderr } = await run(args)
        t.match({ status, stdout }, { status: 2, stdout: '' }, `${message}`)
        t.match(stderr, new RegExp(`^claviger: .*${message.source}`), `${message}: message`)
        t.match(stderr, /\n(hint: |claviger )/, `${message}: what to do`)
      }),
    )
  const help = await run(['help'])
  for (const command of [
    'lockdown',
    'admin grant',
    'admin recipient',
    'admin audit',
    'admin health',
    'admin settings',
  ])
    t.match(help.stderr, new RegExp(`\n  ${command} +\\w`))
})
