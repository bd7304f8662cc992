/** `image flash IMAGE CARD`: writes a release and its owner's provision.json to a card, and reads both back. docs/flash.md. */
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { ImageError } from '../errors.ts'
import { Progress } from '../fetch/progress.ts'
import { agree } from '../flash/agree.ts'
import { openCard } from '../flash/card-file.ts'
import { checkImage, manifestBeside, provisionPlace, readPieces } from '../flash/image-file.ts'
import { provisionFile } from '../flash/provision-file.ts'
import { findTarget, makeRoom, parseSize } from '../flash/target.ts'
import { writeCard } from '../flash/write.ts'
import { readTrustedManifest } from '../release/trusted.ts'

const options = {
  provision: { type: 'string' },
  'provision-fd': { type: 'string' },
  network: { type: 'string' },
  address: { type: 'string', multiple: true },
  manifest: { type: 'string' },
  key: { type: 'string' },
  unsigned: { type: 'boolean', default: false },
  yes: { type: 'string' },
  size: { type: 'string' },
  'not-removable': { type: 'boolean', default: false },
  large: { type: 'boolean', default: false },
} as const

/** What ends a program that is not finished. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export async function flash(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true })
  const [image, card, ...more] = positionals
  if (!image || !card || more.length > 0)
    throw new ImageError('say which image, and which card', {
      hint: 'such as: image flash NAME.img.zst /dev/sdX --provision FILE --key FILE',
    })
  const size = parseSize(values.size)
  const manifest = await readTrustedManifest(values.manifest ?? manifestBeside(image), values)
  const place = provisionPlace(manifest)
  const bytes = provisionFile(await readProvision(values), manifest.variant.mode, {
    network: values.network === undefined ? undefined : await readFile(values.network, 'utf8'),
    addresses: values.address,
  })
  const target = await findTarget(card, image, {
    notRemovable: values['not-removable'],
    large: values.large,
  })
  const progress = new Progress(process.stderr)
  const show = (what: string) => (done: number, total: number) => progress.show(what, done, total)
  const length = await checkImage(image, manifest, show(`check ${basename(image)}`))
  progress.say(`${image} is ${manifest.name}`)
  await agree(target, values.yes, { input: process.stdin, output: process.stderr })

  const interrupted = new AbortController()
  const interrupt = () => interrupted.abort(new Error('interrupted'))
  for (const signal of SIGNALS) process.on(signal, interrupt)
  try {
    if (!target.isDevice) await makeRoom(target, size)
    await using open = await openCard(target.path, target.isDevice, target.isFresh)
    progress.say(`write ${target.path}`)
    await writeCard(
      open,
      {
        pieces: readPieces(image),
        size: length,
        sha256: manifest.image,
        provision: { offset: place.offset, bytes },
      },
      {
        signal: interrupted.signal,
        onWritten: show('write'),
        onVerified: show('read back'),
        onReadBack: () =>
          progress.say(
            open.isDirect ? 'read it back' : 'read it back, out of memory: this card cannot be read past it',
          ),
      },
    )
  } finally {
    for (const signal of SIGNALS) process.off(signal, interrupt)
  }
  progress.say(`${target.path} is ${manifest.name}, read back and compared`)
}

async function readProvision(values: { provision?: string; 'provision-fd'?: string }): Promise<string> {
  const { provision, 'provision-fd': descriptor } = values
  if ((provision === undefined) === (descriptor === undefined))
    throw new ImageError('say which provision.json, with --provision FILE', {
      hint: '"claviger flash" makes one; so does "claviger provision --write FILE"',
    })
  if (provision !== undefined)
    return readFile(provision, 'utf8').catch((cause: NodeJS.ErrnoException) => {
      throw new ImageError(`${provision} cannot be read: ${cause.code}`, { cause })
    })
  if (!/^\d{1,4}$/.test(descriptor!))
    throw new ImageError('--provision-fd takes the number of a file descriptor')
  return text(createReadStream('', { fd: Number(descriptor) }))
}
