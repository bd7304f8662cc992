/** `image build | verify-build | verify | flash | lock | keygen`: makes the images of the device, checks them, writes them to cards. docs/image.md. */
import { ImageError } from './errors.ts'

const USAGE = `image build [--mode dongle|lan] [--model zero2w|3|4] [--kernel stable|backports]
image verify-build [the same]
image verify CARD --manifest FILE --key FILE
image flash IMAGE CARD --provision FILE --key FILE
image lock --refresh
image keygen

  build              make an image: .img, .img.zst, manifest, SBOM, report
    --out DIR        where (unless said: image)
    --key FILE       sign the manifest
    --offline        take packages from the cache only
    --mirror ADDRESS of the directory that holds debian and debian-security
    --level N        of compression, 1 to 22; a release has 19
    --button-gpio N  a button between this GPIO line and ground
    --console TTY    a development image: where the kernel and the journal talk
  verify-build       build twice in different surroundings and compare
    --out DIR        keep both builds there
  verify             compare a card, or an image file, with a release
    --unsigned       although nobody vouches for the manifest
  flash              erase a card and write a release to it (docs/flash.md)
    --provision FILE made by "claviger provision --write"; "claviger flash" makes it by itself
    --network FILE   network.json of a LAN box
    --address X=A    fixed address of an interface, as in eth0=192.168.1.5/24; may be repeated
    --manifest FILE  unless it is beside the image
    --unsigned       although nobody vouches for the manifest
    --yes NAME       do not ask; NAME is that of the card, such as sdb
    --size SIZE      of a card that is a file, such as 2G
    --not-removable  although it is built in
    --large          although it is larger than 512 GB
  lock --refresh     resolve the Debian packages of the image anew
  keygen             make a pair of keys for signing (--out NAME)
`

/** A command: what it is given after its name. */
type Command = (args: string[]) => Promise<void>

/** Each is loaded only when it is used: flashing needs less of the machine than building. */
const COMMANDS: Record<string, () => Promise<Command>> = {
  build: async () => (await import('./commands/build.ts')).buildCommand,
  'verify-build': async () => (await import('./commands/verify-build.ts')).verifyBuild,
  verify: async () => (await import('./commands/verify.ts')).verify,
  flash: async () => (await import('./commands/flash.ts')).flash,
  lock: async () => (await import('./commands/lock.ts')).lock,
  keygen: async () => (await import('./commands/keygen.ts')).keygen,
}

const [name = '--help', ...args] = process.argv.slice(2)
const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
if (!load) {
  const asked = ['help', '--help', '-h'].includes(name)
  process[asked ? 'stdout' : 'stderr'].write(USAGE)
  process.exit(asked ? 0 : 2)
}
try {
  const command = await load()
  await command(args)
} catch (error) {
  const { message, code } = error as NodeJS.ErrnoException
  if (!(error instanceof ImageError) && code === undefined) throw error
  process.stderr.write(`image: ${message}\n`)
  const hint = error instanceof ImageError ? error.hint : undefined
  if (hint) process.stderr.write(`hint: ${hint}\n`)
  process.exitCode = code?.startsWith('ERR_PARSE_ARGS') ? 2 : 1
}
