/**
 * A whole image, built twice in different surroundings with little compression, and its inventory. The slow test of this
 * folder: it fetches the packages of the lock file once, and keeps them in the user's cache.
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { VERSION } from '../../appliance/version.ts'
import { bootFiles, parseConfigTxt } from '../../image-build/boot/config-txt.ts'
import { PARTITIONS } from '../../image-build/disk/layout.ts'
import { readMbr, SECTOR } from '../../image-build/disk/mbr.ts'
import { parseVariant, variantName } from '../../image-build/model.ts'
import { parseManifest } from '../../image-build/release/manifest.ts'
import type { Report } from '../../image-build/release/report.ts'
import { programs } from '../../image-build/tree/lists.ts'
import { unlessThere } from './tools.ts'

const ROOT = join(import.meta.dirname, '../..')
const MAIN = join(ROOT, 'image-build/main.ts')
t.setTimeout(240_000)

/** esbuild is a dependency; where the packages are of an older installation, that is said. */
function unlessBuilt(): false | string {
  const there =
    process.env.CLAVIGER_ESBUILD ?? join(ROOT, `node_modules/@esbuild/linux-${process.arch}/bin/esbuild`)
  if (existsSync(there)) return unlessThere('mksquashfs', 'zstd', 'dpkg-deb', 'xz', 'gzip', 'mdir')
  if (process.env.CI) throw new Error('esbuild is not installed')
  return 'esbuild is not installed'
}

function image(...args: string[]): Promise<{ status: number | null; output: string }> {
  return new Promise(resolve => {
    const env = { ...process.env, NODE_OPTIONS: '' }
    const child = spawn(process.execPath, [MAIN, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', piece => (output += piece))
    child.on('exit', status => resolve({ status, output }))
  })
}

t.test(
  'When an image is built twice with other clocks, masks and places, then',
  { skip: unlessBuilt() },
  async t => {
    const out = t.testdir({})
    const { status, output } = await image('verify-build', '--level', '3', '--out', out)
    t.equal(status, 0, output)
    const directory = join(out, 'a')
    const name = variantName(parseVariant(), VERSION)
    const path = (ending: string) => join(directory, name + ending)
    const manifest = parseManifest(readFileSync(path('.manifest.json'), 'utf8'))
    const report: Report = JSON.parse(readFileSync(path('.report.json'), 'utf8'))

    t.test('all that it leaves is the same', async t => {
      for (const ending of ['.img', '.img.zst', '.manifest.json', '.cdx.json', '.initramfs']) {
        const other = join(out, 'another directory/b', name + ending)
        t.ok(readFileSync(path(ending)).equals(readFileSync(other)), ending)
      }
    })

    t.test('its programs are those that have a reason, and nothing is setuid or writable by all', async t => {
      t.same(report.programs.toSorted(), programs('dongle').toSorted())
      t.ok(report.counts['programs in the root']! + report.counts['programs in the initramfs']! <= 12)
      for (const file of manifest.files) {
        if (file.kind === 'link') continue
        t.equal(Number.parseInt(file.mode, 8) & 0o6002, 0, `${file.path} has ${file.mode}`)
      }
      const inRoot = manifest.files.filter(file => file.path.startsWith('root:'))
      t.notOk(
        inRoot.some(file => /\/(?:sh|bash|dash|busybox)$/.test(file.path)),
        'there is no shell',
      )
      t.notOk(
        inRoot.some(file => /\.ko/.test(file.path)),
        'there is no kernel module',
      )
    })

    t.test('every file has a hash and a package, and every package is among the parts', async t => {
      const parts: { components: { name: string }[] } = JSON.parse(readFileSync(path('.cdx.json'), 'utf8'))
      const named = new Set([...parts.components.map(each => each.name), 'claviger'])
      for (const file of manifest.files) {
        t.ok(named.has(file.package), `${file.path} is of ${file.package}`)
        if (file.kind === 'file') t.match(file.sha256, /^[0-9a-f]{64}$/)
      }
    })

    t.test('the firmware finds what config.txt names, and links lead somewhere', async t => {
      const has = new Set(manifest.files.map(file => file.path))
      const image = readFileSync(path('.img'))
      const config = image.indexOf('arm_64bit=1\n')
      const text = image.toString('latin1', config, image.indexOf(0, config))
      const { kernel, initramfs, cmdline, deviceTree } = bootFiles(parseConfigTxt(text))
      for (const file of [kernel, initramfs, cmdline, deviceTree]) t.ok(has.has(`boot:/${file}`), `${file}`)
      t.same(readMbr(image.subarray(0, SECTOR)).partitions, Object.values(PARTITIONS))
      for (const { path, target, kind } of manifest.files)
        if (kind === 'link') t.ok(leads(has, path, target!), `${path} to ${target}`)
    })

    t.test('the sizes are below their limits', async t => {
      const { sizes } = report
      t.ok(sizes['slot (root, hash tree, kernel, initramfs)']! <= 80e6)
      t.ok(sizes['image compressed']! <= 72e6, `${sizes['image compressed']}`)
    })

    t.test('a card with it is found to be it, and one with a changed byte is not', async t => {
      const args = ['--manifest', path('.manifest.json')]
      t.match(await image('verify', path('.img'), ...args), { status: 1, output: /--key/ })
      t.match(await image('verify', path('.img'), ...args, '--unsigned'), { status: 0 })
      const changed = join(out, 'another directory/b', `${name}.img`)
      const bytes = readFileSync(changed)
      bytes[PARTITIONS.rootA.start * SECTOR + 5000]! ^= 1
      writeFileSync(changed, bytes)
      t.match(await image('verify', changed, ...args, '--unsigned'), {
        status: 1,
        output: /^root: is not what/m,
      })
    })
  },
)

t.test('When the level of compression is none that there is, then it says so', async t => {
  for (const level of ['abc', '0', '23', '1.5'])
    t.match(await image('build', '--level', level), {
      status: 1,
      output: /^image: --level .* is not a number from 1 to 22$/m,
    })
})

/** Whether a link in a tree leads to something of that tree; what the running system makes is not looked for. */
function leads(has: ReadonlySet<string>, path: string, target: string): boolean {
  const [where, own] = path.split(':') as [string, string]
  const parts = target.startsWith('/') ? [] : own.split('/').slice(1, -1)
  for (const part of target.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  // the directories of old names are links themselves
  const direct = `${where}:/${parts.join('/')}`
  return has.has(direct) || has.has(`${where}:/usr/${parts.join('/')}`)
}
