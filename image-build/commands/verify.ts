/** `image verify CARD --manifest FILE --key FILE`: whether a card that came back is the release. */
import { open } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { compareCard, readableOf } from '../disk/compare.ts'
import { ImageError } from '../errors.ts'
import { Progress } from '../fetch/progress.ts'
import { readTrustedManifest } from '../release/trusted.ts'

const options = {
  manifest: { type: 'string' },
  key: { type: 'string' },
  unsigned: { type: 'boolean', default: false },
} as const

export async function verify(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true })
  const [card, ...more] = positionals
  if (!card || more.length > 0 || !values.manifest)
    throw new ImageError('say which card, and --manifest FILE', {
      hint: 'such as: image verify /dev/sdX --manifest FILE --key FILE',
    })
  const manifest = await readTrustedManifest(values.manifest, values)
  const progress = new Progress(process.stderr)
  await using handle = await open(card, 'r')
  const show = (done: number, total: number) => progress.show(`compare ${card}`, done, total)
  const found = await compareCard(readableOf(handle), manifest, show)
  for (const { region, message } of found) process.stdout.write(`${region}: ${message}\n`)
  if (found.length > 0)
    throw new ImageError(`${card} is not ${manifest.name}`, {
      hint: 'do not use it again; what was in it has to be taken as known to others',
    })
  progress.say(`${card} is ${manifest.name}: ${manifest.regions.length} regions compared`)
  process.stdout.write('the data partition and provision.json belong to the owner and were not compared\n')
}
