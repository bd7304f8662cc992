/** The demo as its user runs it: `claviger demo`, with `--json` and with `--keep`. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { bareNode } from '../support/environment.ts'

const MAIN = fileURLToPath(new URL('../../host-agent/cli/main.ts', import.meta.url))
const hasPhp = spawnSync('php', ['-r', 'exit(extension_loaded("sodium") ? 0 : 1);']).status === 0

function claviger(args: string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
  return spawn(...bareNode(MAIN, ...args), {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
}

t.test(
  'When the demo is asked for JSON, then it prints one document that says what really came out',
  async t => {
    const child = claviger(['demo', '--json'])
    const [stdout, stderr, [status]] = await Promise.all([
      text(child.stdout!),
      text(child.stderr!),
      once(child, 'exit') as Promise<[number]>,
    ])
    t.equal(status, 0, stderr)
    const report = JSON.parse(stdout)
    t.match(report, {
      wires: { serial: { opened: 12 }, lan: { opened: 12 } },
      refused: { stranger: 'certificate-refused', swapped: 'open-failed' },
      seconds: Number,
    })
    if (hasPhp) t.equal(report.php, 4, 'PHP sealed four cards, and they opened')
    else if (process.env.CI) t.fail('php with ext-sodium is needed under CI')
    else t.equal(report.php, null)
  },
)

t.test('When the demo is kept, then its commands work until Ctrl-C, and nothing is left behind', async t => {
  const child = claviger(['demo', '--keep'])
  t.teardown(() => child.kill('SIGKILL'))
  let said = ''
  await new Promise<void>((resolve, reject) => {
    child.stdout!.on('data', chunk => {
      said += chunk
      if (said.includes('Ctrl-C')) resolve()
    })
    child.once('exit', () => reject(new Error(said)))
  })
  t.notMatch(said, /4242424242424242/, 'no whole card number is printed')
  t.match(said, /Another purpose.* “till” asks for a card for marketing: refused.*\(not-granted\)/)
  t.match(said, /The log.* has all of this in \d+ entries; they are what the device signed, none is missing/)
  const home = /export CLAVIGER_HOME=(\S+)/.exec(said)![1]!

  const status = claviger(['status', '--as', 'till', '--json'], { CLAVIGER_HOME: home })
  const [answer, [code]] = await Promise.all([
    text(status.stdout!),
    once(status, 'exit') as Promise<[number]>,
  ])
  t.equal(code, 0)
  t.match(JSON.parse(answer), { enrolments: [{ enrolment: 'till', role: 'operator', state: 'operational' }] })

  const grants = claviger(['admin', 'grant', 'list', '--as', 'owner', '--json'], { CLAVIGER_HOME: home })
  const [listed] = await Promise.all([text(grants.stdout!), once(grants, 'exit')])
  const narrow = { budgets: [{ per: 'day', records: 100 }], reveal: ['full'] }
  t.match(JSON.parse(listed), {
    grants: [
      { agent: 'office', fields: ['address.*'], purposes: ['ship'], ...narrow },
      { agent: 'till', fields: ['card.number'], purposes: ['charge'], ...narrow },
    ],
  })

  const ended = once(child, 'exit')
  child.kill('SIGINT')
  await ended
  t.notOk(existsSync(dirname(home)), 'the directory is removed')
})
