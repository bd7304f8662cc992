/** `image build | lock | keygen | verify | verify-build`: makes the images of the device, and checks them. */

import { buildCommand } from './commands/build.ts'
import { keygen } from './commands/keygen.ts'
import { lock } from './commands/lock.ts'
import { ImageError } from './errors.ts'

const USAGE = `image lock --refresh    resolve the Debian packages of the image anew

  --mirror ADDRESS   of the directory that holds debian and debian-security
`

/** A command: what it is given after its name. */
export type Command = (args: string[]) => Promise<void>

const COMMANDS: Record<string, Command> = { build: buildCommand, lock, keygen }

const [name = 'help', ...args] = process.argv.slice(2)
const command = COMMANDS[name]
if (!command) {
  process.stderr.write(USAGE)
  process.exit(name === 'help' || name === '--help' ? 0 : 2)
}
try {
  await command(args)
} catch (error) {
  const { message, code } = error as NodeJS.ErrnoException
  if (!(error instanceof ImageError) && code === undefined) throw error
  process.stderr.write(`image: ${message}\n`)
  const hint = error instanceof ImageError ? error.hint : undefined
  if (hint) process.stderr.write(`hint: ${hint}\n`)
  process.exitCode = code?.startsWith('ERR_PARSE_ARGS') ? 2 : 1
}
