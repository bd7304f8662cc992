/** `image build`: makes an image and everything that goes with it. */
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { parsePin } from '../boot/button.ts'
import { build } from '../build.ts'
import { Cache, cacheDirectory } from '../fetch/cache.ts'
import { Progress } from '../fetch/progress.ts'
import { parseLevel } from '../level.ts'
import { parseVariant } from '../model.ts'
import { machineMirror, readLockFile } from '../places.ts'
import { formatManifest } from '../release/manifest.ts'
import { formatReport } from '../release/report.ts'
import { signManifest } from '../release/signature.ts'
import { runBytes } from '../run.ts'

const options = {
  mode: { type: 'string' },
  model: { type: 'string' },
  kernel: { type: 'string' },
  out: { type: 'string', default: 'image' },
  key: { type: 'string' },
  offline: { type: 'boolean', default: false },
  mirror: { type: 'string' },
  level: { type: 'string' },
  console: { type: 'string' },
  'button-gpio': { type: 'string' },
} as const

export async function buildCommand(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options })
  const variant = parseVariant(values.mode, values.model, values.kernel)
  const key = values.key === undefined ? null : await readFile(values.key, 'utf8')
  const progress = new Progress(process.stderr)
  const started = performance.now()
  const built = await build({
    variant,
    lock: await readLockFile(),
    sources: {
      cache: new Cache(cacheDirectory(process.env)),
      mirror: await machineMirror(values.mirror),
      progress,
      offline: values.offline,
    },
    ...(values.level !== undefined && { level: parseLevel(values.level) }),
    console: values.console ?? null,
    button: values['button-gpio'] === undefined ? null : parsePin(values['button-gpio']),
  })
  const out = resolve(values.out)
  await mkdir(out, { recursive: true })
  const at = (ending: string) => join(out, built.name + ending)
  const manifest = formatManifest(built.manifest)
  await writeWhole(at('.img'), built.image)
  await writeWhole(at('.manifest.json'), manifest)
  await writeWhole(at('.cdx.json'), built.sbom)
  await writeWhole(at('.vmlinuz'), built.kernel)
  await writeWhole(at('.initramfs'), built.initramfs)
  if (key !== null) await writeWhole(at('.manifest.json.sig'), signManifest(manifest, key))
  progress.say('compress the image')
  await runBytes('zstd', ['-q', '-f', '-9', '--single-thread', at('.img'), '-o', at('.img.zst')])
  const sizes = { ...built.report.sizes, 'image compressed': (await stat(at('.img.zst'))).size }
  const report = { ...built.report, sizes }
  await writeWhole(at('.report.json'), `${JSON.stringify(report, null, 2)}\n`)
  const text = formatReport(report)
  await writeWhole(at('.report.txt'), text)
  process.stdout.write(text)
  progress.say(`${at('.img')} in ${((performance.now() - started) / 1000).toFixed(0)} s`)
  if (key === null) progress.say('not signed: name a key with --key; "image keygen" makes one')
}

/** A file is there whole or not at all. */
async function writeWhole(path: string, contents: string | Uint8Array): Promise<void> {
  await writeFile(`${path}.part`, contents)
  await rename(`${path}.part`, path)
}
