/** `claviger image`: the image builder under the name that everything else has. */
import { runBuilder } from '../builder.ts'
import type { Command } from '../command.ts'

export const command: Command = {
  summary: 'build an image for the Pi, check it, compare a card with it',
  usage: `claviger image COMMAND [OPTIONS]

The commands are build, verify-build, verify, flash, lock and keygen; claviger image help explains them, and docs/image.md
what they are for. This needs a checkout of the repository.
`,

  run: args => runBuilder(args),
}
