/** `image build | lock | keygen | verify | verify-build`: makes the images of the device, and checks them. docs/image.md. */
import { buildCommand } from './commands/build.ts'
import { keygen } from './commands/keygen.ts'
import { lock } from './commands/lock.ts'
import { verify } from './commands/verify.ts'
import { verifyBuild } from './commands/verify-build.ts'
import { ImageError } from './errors.ts'

const USAGE = `image build [--mode dongle|lan] [--model zero2w|3|4] [--kernel stable|backports]
image verify-build [the same]
image verify CARD --manifest FILE --key FILE
image lock --refresh
image keygen

  build              make an image: .img, .img.zst, manifest, SBOM, report
    --out DIR        where (unless said: image)
    --key FILE       sign the manifest
    --offline        take packages from the cache only
    --mirror ADDRESS of the directory that holds debian and debian-security
    --level N        of compression, 1 to 22; a release has 19
    --console TTY    a development image: where the kernel and the journal talk
  verify-build       build twice in different surroundings and compare
    --out DIR        keep both builds there
  verify             compare a card, or an image file, with a release
    --unsigned       although nobody vouches for the manifest
  lock --refresh     resolve the Debian packages of the image anew
  keygen             make a pair of keys for signing (--out NAME)
`

/** A command: what it is given after its name. */
type Command = (args: string[]) => Promise<void>

const COMMANDS: Record<string, Command> = {
  build: buildCommand,
  'verify-build': verifyBuild,
  verify,
  lock,
  keygen,
}

const [name = '--help', ...args] = process.argv.slice(2)
const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
if (!command) {
  const asked = ['help', '--help', '-h'].includes(name)
  process[asked ? 'stdout' : 'stderr'].write(USAGE)
  process.exit(asked ? 0 : 2)
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
