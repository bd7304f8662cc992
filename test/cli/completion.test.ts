/** Completion of the command line, as each shell itself reads the script that `claviger completion` prints. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { loadCommands } from '../../host-agent/cli/command-table.ts'
import { SHELLS } from '../../host-agent/cli/completion/shells.ts'
import { optionsOf, readUsage, verbsOf } from '../../host-agent/cli/completion/usage.ts'
import { placesOf } from '../../host-agent/cli/completion/words.ts'
import { unlessThere } from '../image/tools.ts'
import { runner } from './run.ts'

const folder = t.testdir()
const commands = await loadCommands()
const places = placesOf(commands)
const scripts = Object.fromEntries(
  Object.entries(SHELLS).map(([shell, write]) => {
    const path = join(folder, shell)
    writeFileSync(path, write(places))
    return [shell, path]
  }),
)

/** A command line up to the cursor, and what is offered there. */
const CASES: [line: string, offered: string[]][] = [
  ['claviger ad', ['admin']],
  ['claviger admin key rot', ['rotate']],
  ['claviger key mo', ['move']],
  ['claviger key cr', ['create']],
  ['claviger key move --p', ['--passphrase-fd', '--purpose']],
  ['claviger shop seal map.json --d', ['--dry-run']],
  ['claviger lock --j', ['--json']],
]

t.test('When a usage is read, then every form, verb, option and text of it is there', async t => {
  const usage = readUsage(`claviger x list
claviger x add NAME [--much]
           [--suite a|b]

  NAME           its name
  --suite a|b    which one;
                 two lines
  --quite-a-long one blank
  --as NAME, --json

A paragraph that mentions --other.
  --last         behind a paragraph
`)
  t.strictSame(usage.forms, ['claviger x list', 'claviger x add NAME [--much] [--suite a|b]'])
  t.strictSame(verbsOf(usage, 'x'), ['list', 'add'])
  t.strictSame(optionsOf(usage), [
    { name: '--as', value: 'NAME', text: '' },
    { name: '--json', value: null, text: '' },
    { name: '--last', value: null, text: 'behind a paragraph' },
    { name: '--much', value: null, text: '' },
    { name: '--quite-a-long', value: null, text: 'one blank' },
    { name: '--suite', value: 'a|b', text: 'which one; two lines' },
  ])
  for (const [name, { usage }] of commands)
    t.ok(readUsage(usage).forms.length > 0 && usage.startsWith('claviger '), `${name} has a form`)
})

t.test(
  'When bash completes, then it offers what the commands say',
  { skip: unlessThere('bash') },
  async t => {
    const complete = (line: string) => {
      const words = line.split(' ')
      const script = `source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _claviger; printf '%s\\n' "\${COMPREPLY[@]}"`
      // bash takes a socket for standard input as a login from afar, and reads its start-up file
      const { stdout, stderr } = spawnSync('bash', ['-uc', script, scripts.bash!, ...words], {
        ...{ encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
      })
      t.equal(stderr, '')
      return stdout.split('\n').filter(Boolean).sort()
    }
    for (const [line, offered] of CASES) t.strictSame(complete(line), offered, line)
    t.strictSame(complete('claviger open file'), [], 'files are for the shell')
  },
)

t.test('When zsh completes, then it offers the same', { skip: unlessThere('zsh') }, async t => {
  // what zsh's own functions are given
  const stubs = `compdef() { }; _files() { print files }
_describe() { local name=\${@[-1]}; for each in \${(P)name}; do print -r -- "\${each%%:*}"; done }`
  const complete = (line: string) => {
    const words = line.split(' ')
    const script = `${stubs}; source "$0"; words=("$@"); CURRENT=$#; PREFIX=\${words[-1]}; _claviger`
    const { stdout, stderr } = spawnSync('zsh', ['-fc', script, scripts.zsh!, ...words], { encoding: 'utf8' })
    t.equal(stderr, '')
    return stdout
      .split('\n')
      .filter(word => word.startsWith(words.at(-1)!) && word !== '')
      .sort()
  }
  for (const [line, offered] of CASES) t.strictSame(complete(line), offered, line)
  t.strictSame(complete('claviger open f'), ['files'])
})

t.test('When fish completes, then it offers the same', { skip: unlessThere('fish') }, async t => {
  const complete = (line: string) => {
    const script = `source ${scripts.fish}; complete -C ${JSON.stringify(line)}`
    const { stdout } = spawnSync('fish', ['--no-config', '-c', script], {
      encoding: 'utf8',
      env: { ...process.env, HOME: folder },
    })
    return stdout
      .split('\n')
      .map(found => found.split('\t')[0]!)
      .filter(Boolean)
      .sort()
  }
  for (const [line, offered] of CASES) t.strictSame(complete(line), offered, line)
})

t.test('When the command is run, then it prints one of them, and knows no other shell', async t => {
  const run = runner(folder)
  const [one, other, version] = await Promise.all([
    run(['completion', 'fish']),
    run(['completion', 'ksh']),
    run(['--version']),
  ])
  t.match(one, { status: 0, stdout: SHELLS.fish!(places), stderr: '' })
  t.match(other, { status: 2, stdout: '', stderr: /no completion for ksh/ })
  t.match(version, { status: 0, stdout: /^claviger \d+\.\d+\.\d+\n$/ })
})
