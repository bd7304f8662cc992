/** The launcher that `bin` names: it runs on any Node, and hands everything through to the pinned one. */
import { spawnSync } from 'node:child_process'
import { openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { makeCard } from '../../host-agent/client/card.ts'
import { writeProfile } from '../../host-agent/client/profile.ts'

const LAUNCHER = fileURLToPath(new URL('../../host-agent/cli/claviger.mjs', import.meta.url))

t.test(
  'When a secret comes on a file descriptor, then the launcher hands that descriptor through',
  async t => {
    const home = t.testdir()
    const secret = join(home, 'secret')
    writeFileSync(secret, 'correct horse battery\n')
    await writeProfile(home, makeCard('owner', 'test').profile)
    // Nobody listens there: what is asked is how far the command comes.
    const run = (descriptor: string, stdio: (number | 'pipe')[]) =>
      spawnSync(
        process.execPath,
        [LAUNCHER, 'provision', '--at', 'https://127.0.0.1:1', '--passphrase-fd', descriptor],
        { stdio, encoding: 'utf8', env: { ...process.env, CLAVIGER_HOME: home } },
      )
    const given = run('3', ['pipe', 'pipe', 'pipe', openSync(secret, 'r')])
    t.match(given.stderr, /no appliance answers at https:\/\/127\.0\.0\.1:1/)
    t.equal(given.status, 1)
    const missing = run('9', ['pipe', 'pipe', 'pipe'])
    t.match(missing.stderr, /file descriptor 9 cannot be read\nhint: /)
    t.equal(missing.status, 2)
  },
)

t.test(
  'When a command is wrong or a name cannot be one, then the status is 2 and a hint says what would be right',
  t => {
    const run = (...args: string[]) => spawnSync(process.execPath, [LAUNCHER, ...args], { encoding: 'utf8' })
    for (const args of [
      ['frobnicate'],
      ['admin', 'key', 'create', 'Bad!'],
      ['admin', 'agent', 'invite', 'A b'],
    ]) {
      const { status, stderr } = run(...args)
      t.equal(status, 2, args.join(' '))
      t.match(stderr, /^claviger: .*\nhint: /)
    }
    const { status, stderr } = run('--help')
    t.equal(status, 0)
    t.match(stderr, /claviger COMMAND/)
    t.end()
  },
)
