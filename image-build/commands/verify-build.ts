/** `image verify-build`: builds twice, in different surroundings, and compares. */
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { ImageError } from '../errors.ts'
import { RELEASE_LEVEL } from '../level.ts'
import { differences } from '../release/differences.ts'
import { type Manifest, parseManifest } from '../release/manifest.ts'

const options = {
  mode: { type: 'string', default: 'dongle' },
  model: { type: 'string', default: 'zero2w' },
  kernel: { type: 'string', default: 'stable' },
  level: { type: 'string', default: String(RELEASE_LEVEL) },
  'button-gpio': { type: 'string' },
  offline: { type: 'boolean', default: false },
  out: { type: 'string' },
} as const

/** What must make no difference. */
const SURROUNDINGS: readonly { umask: string; env: NodeJS.ProcessEnv; place: string }[] = [
  { umask: '022', env: { TZ: 'UTC', LC_ALL: 'C' }, place: 'a' },
  {
    umask: '077',
    env: {
      TZ: 'Pacific/Kiritimati',
      LC_ALL: 'tr_TR.UTF-8',
      LANG: 'tr_TR.UTF-8',
      SOURCE_DATE_EPOCH: '1',
      ZSTD_CLEVEL: '1',
      GZIP: '-1',
    },
    place: 'another directory/b',
  },
]

export async function verifyBuild(args: string[]): Promise<void> {
  const { out, ...values } = parseArgs({ args, options }).values
  const directory = out === undefined ? await mkdtemp(join(tmpdir(), 'claviger-twice-')) : resolve(out)
  try {
    const manifests: Manifest[] = []
    for (const surroundings of SURROUNDINGS) manifests.push(await buildIn(directory, surroundings, values))
    const [first, second] = manifests
    const found = differences(first!, second!)
    for (const line of found) process.stdout.write(`${line}\n`)
    if (found.length > 0) throw new ImageError(`two builds of the same differ in ${found.length} places`)
    process.stdout.write(`${first!.name}: both builds have the SHA-256 ${first!.image}\n`)
  } finally {
    if (out === undefined) await rm(directory, { recursive: true, force: true })
  }
}

async function buildIn(
  directory: string,
  { umask, env, place }: (typeof SURROUNDINGS)[number],
  { offline, ...rest }: { offline: boolean } & Record<string, string | boolean | undefined>,
): Promise<Manifest> {
  const out = join(directory, place)
  await mkdir(out, { recursive: true })
  const main = new URL('../main.ts', import.meta.url).pathname
  const settings = Object.entries(rest).flatMap(([key, value]) =>
    typeof value === 'string' ? [`--${key}`, value] : [],
  )
  const args = [main, 'build', '--out', out, ...settings, ...(offline ? ['--offline'] : [])]
  await new Promise<void>((resolve, reject) => {
    // the mask of a shell is the only one that can be set before a program starts
    const child = spawn('sh', ['-c', `umask ${umask} && exec "$0" "$@"`, process.execPath, ...args], {
      cwd: out,
      env: { ...process.env, TMPDIR: out, ...env },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    child.once('error', reject)
    child.once('exit', status =>
      status === 0 ? resolve() : reject(new ImageError(`the build with umask ${umask} failed`)),
    )
  })
  const name = (await readdir(out)).find(file => file.endsWith('.manifest.json'))
  if (!name) throw new ImageError('the build left no manifest')
  return parseManifest(await readFile(join(out, name), 'utf8'))
}
