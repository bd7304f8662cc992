/** `claviger completion`: prints what makes a shell complete the commands of this one and their options. */
import { type Command, readArguments, UsageError } from '../command.ts'
import { loadCommands } from '../command-table.ts'
import { SHELLS } from '../completion/shells.ts'
import { placesOf } from '../completion/words.ts'

export const command: Command = {
  summary: 'print the completion script of a shell',
  usage: `claviger completion bash
claviger completion zsh
claviger completion fish

bash: source <(claviger completion bash). The Debian package brings all three.
`,

  async run(args, { terminal }) {
    const [shell] = readArguments(args, {}, ['SHELL']).positionals
    const write = Object.hasOwn(SHELLS, shell) ? SHELLS[shell] : undefined
    if (!write) throw new UsageError(`there is no completion for ${shell}`, 'say bash, zsh or fish')
    await terminal.write(write(placesOf(await loadCommands())))
    return 0
  },
}
