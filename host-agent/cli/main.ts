/** `claviger`: finds the command, runs it, and turns what it throws into a message and an exit status. */
import { ClavigerError } from '../../protocol/api/errors.ts'
import { ChoiceError } from '../shop/labels/errors.ts'
import { VERSION } from '../version.ts'
import { type Command, type Surroundings, UsageError } from './command.ts'
import { COMMANDS, loadCommands } from './command-table.ts'
import { Terminal } from './terminal.ts'

async function main(args: string[], surroundings: Surroundings): Promise<number> {
  const { terminal } = surroundings
  const [first = '', second = ''] = args
  const words = Object.hasOwn(COMMANDS, `${first} ${second}`) ? 2 : 1
  const name = args.slice(0, words).join(' ')
  if (['', 'help', '--help', '-h'].includes(name)) {
    terminal.explain(await overview())
    return name === '' ? 2 : 0
  }
  if (['--version', 'version'].includes(name)) {
    terminal.print(`claviger ${VERSION}`)
    return 0
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (!load) {
    terminal.say(
      `there is no command ${['admin', 'shop'].includes(first) ? `${first} ${second}`.trim() : first}`,
    )
    terminal.hint('claviger help lists the commands')
    return 2
  }
  const { command } = await load()
  const rest = args.slice(words)
  if (rest.includes('--help')) {
    terminal.explain(command.usage)
    return 0
  }
  try {
    return await command.run(rest, surroundings)
  } catch (error) {
    return report(error, command, rest.includes('--json'), terminal)
  }
}

function report(error: unknown, command: Command, json: boolean, terminal: Terminal): number {
  if (error instanceof UsageError || error instanceof ChoiceError) {
    terminal.say(error.message)
    if (error.hint) terminal.hint(error.hint)
    else terminal.explain(command.usage)
    return 2
  }
  if (error instanceof ClavigerError) {
    const { code, message, hint } = error
    if (json) terminal.printJson({ error: { code, message, ...(hint ? { hint } : {}) } })
    terminal.say(message)
    if (hint) terminal.hint(hint)
    return 1
  }
  terminal.say(`this should not have happened: ${(error as Error).stack ?? error}`)
  return 1
}

async function overview(): Promise<string> {
  const commands = await loadCommands()
  const width = Math.max(...[...commands.keys()].map(name => name.length)) + 2
  const entries = [...commands].map(([name, { summary }]) => `  ${name.padEnd(width)}${summary}\n`)
  return `claviger COMMAND [OPTIONS]\n\n${entries.join('')}\nclaviger COMMAND --help says more about one of them\n`
}

const { stdout, stderr, stdin, env, argv } = process
// A reader that stops early, such as head, is no failure.
stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
const status = await main(argv.slice(2), { terminal: new Terminal({ stdout, stderr, stdin }), env, stdin })
process.exitCode = status
if (stdin.isTTY || stdin.readable) stdin.unref?.()
