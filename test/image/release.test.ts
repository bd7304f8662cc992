/** What goes with an image: manifest, signature, list of parts, and how two builds are compared. */
import fc from 'fast-check'
import t from 'tap'
import { ImageError } from '../../image-build/errors.ts'
import { Cache, cacheDirectory } from '../../image-build/fetch/cache.ts'
import { fetchPackages } from '../../image-build/fetch/debian.ts'
import { npmPackage } from '../../image-build/fetch/npm.ts'
import { Progress } from '../../image-build/fetch/progress.ts'
import type { LockedPackage } from '../../image-build/lock/lock-file.ts'
import { differences } from '../../image-build/release/differences.ts'
import {
  filesOfTree,
  formatManifest,
  type Manifest,
  parseManifest,
  sha256,
} from '../../image-build/release/manifest.ts'
import { sbom } from '../../image-build/release/sbom.ts'
import { isSigned, makeSigningKey, signManifest } from '../../image-build/release/signature.ts'
import { Tree } from '../../image-build/tree/tree.ts'

const HASH = 'cd'.repeat(32)

function manifestOf(files: Record<string, string>): Manifest {
  const tree = new Tree()
  for (const [path, text] of Object.entries(files)) tree.file(path, text, { from: 'libc6' })
  return {
    ...{
      format: 'claviger-image 1',
      name: 'x',
      version: '1',
      date: 5,
      kernel: '6',
      rootHash: HASH,
      image: HASH,
    },
    variant: { mode: 'dongle', model: 'zero2w', kernel: 'stable' },
    regions: [{ name: 'root', offset: 0, size: 3, sha256: sha256(Buffer.from(JSON.stringify(files))) }],
    files: filesOfTree('root', tree),
  }
}

t.test(
  'When a manifest is written and read, then it is the same, with hash, mode and package of each file',
  async t => {
    const manifest = manifestOf({ 'etc/a': 'x', 'usr/b': 'y' })
    t.same(parseManifest(formatManifest(manifest)), manifest)
    const file = manifest.files.find(({ path }) => path === 'root:/etc/a')
    t.match(file, {
      mode: '0644',
      package: 'libc6',
      size: 1,
      sha256: sha256(Buffer.from('x')),
      uid: 0,
      gid: 0,
    })
    t.match(
      manifest.files.find(({ path }) => path === 'root:/etc'),
      { kind: 'directory', mode: '0755' },
    )
    fc.assert(fc.property(fc.json(), text => void t.throws(() => parseManifest(text))))
    const bad = { ...manifest, regions: [{ ...manifest.regions[0], offset: -1 }] }
    t.throws(() => parseManifest(JSON.stringify(bad)))
  },
)

t.test('When a manifest is signed, then any change of it, or another key, is found', async t => {
  const { privateKey, publicKey } = makeSigningKey()
  const text = formatManifest(manifestOf({ a: 'x' }))
  const signature = signManifest(text, privateKey)
  t.ok(isSigned(text, signature, publicKey))
  t.notOk(isSigned(`${text} `, signature, publicKey))
  t.notOk(isSigned(text, signature, makeSigningKey().publicKey))
  t.notOk(isSigned(text, '', publicKey))
  t.throws(() => signManifest(text, publicKey), ImageError)
  t.throws(() => isSigned(text, signature, 'no key'), ImageError)
})

t.test('When two builds differ, then it is said by file', async t => {
  const one = manifestOf({ a: 'x', b: 'y', c: 'z' })
  t.same(differences(one, manifestOf({ a: 'x', b: 'y', c: 'z' })), [])
  const lines = differences(one, manifestOf({ a: 'x', b: 'other', d: 'z' }))
  t.match(lines.join('\n'), /root:\/b: size is 1 and 5/)
  t.match(lines.join('\n'), /root:\/b: sha256 is /)
  t.match(lines.join('\n'), /root:\/c: only in the first build/)
  t.match(lines.join('\n'), /root:\/d: only in the second build/)
  t.match(lines.join('\n'), /region root/)
  t.notMatch(lines.join('\n'), /root:\/a/)
  t.same(differences(one, { ...one, image: 'ee'.repeat(32) }).length, 1, 'even where no file is to blame')
})

t.test('When a list of parts is made, then every part is named as CycloneDX names it', async t => {
  const debian: LockedPackage = {
    ...{ name: 'libstdc++6', version: '1:14.2.0-19', set: 'base', archive: 'debian', component: 'main' },
    ...{ path: 'pool/x.deb', sha256: HASH, size: 1 },
  }
  const npm = {
    name: '@a/b',
    version: '1.0.0',
    license: 'MIT',
    digest: { algorithm: 'sha512', hex: 'ab'.repeat(64) },
  } as const
  const parts = { name: 'image', version: '1', date: 0, debian: [debian], npm: [npm] }
  const document = JSON.parse(sbom(parts))
  t.match(document, {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    metadata: { timestamp: '1970-01-01T00:00:00.000Z' },
  })
  t.match(
    document.serialNumber,
    /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  )
  t.same(
    document.components.map(({ purl }: { purl: string }) => purl),
    ['pkg:deb/debian/libstdc%2B%2B6@1:14.2.0-19?arch=arm64&distro=debian-13', 'pkg:npm/%40a/b@1.0.0'],
  )
  t.equal(sbom(parts), sbom(parts))
  t.not(sbom({ ...parts, version: '2' }), sbom(parts))
})

t.test('When package-lock.json has no SHA-512 of a package, then nothing is fetched', async t => {
  const integrity = `sha512-${Buffer.alloc(64, 7).toString('base64')}`
  const lock = (entry: object) => JSON.stringify({ packages: { 'node_modules/x/node_modules/@a/b': entry } })
  const path = 'node_modules/x/node_modules/@a/b'
  t.match(npmPackage(lock({ version: '1.0.0', integrity }), path), {
    name: '@a/b',
    digest: { hex: '07'.repeat(64) },
  })
  for (const bad of [{ version: '1' }, { integrity }, { version: '1', integrity: 'sha1-x' }])
    t.throws(() => npmPackage(lock(bad), path), ImageError)
  t.throws(() => npmPackage(lock({}), 'node_modules/none'), ImageError)
})

t.test(
  'When a mirror is asked, then what it gives is taken only if it is what was locked, and asked for once',
  async t => {
    const bytes = Buffer.from('a package')
    const one: LockedPackage = {
      ...{ name: 'p', version: '1', set: 'base', archive: 'debian', component: 'main', path: 'pool/p.deb' },
      ...{ sha256: sha256(bytes), size: bytes.length },
    }
    const lines: string[] = []
    let asked = 0
    let answer = () => new Response(bytes)
    const sources = {
      cache: new Cache(t.testdir({})),
      mirror: { debian: 'http://m.example/debian', 'debian-security': 'http://m.example/s' },
      progress: new Progress({ write: text => lines.push(text) }),
      offline: false,
      ask: async (address: string) => {
        t.equal(address, 'http://m.example/debian/pool/p.deb')
        asked++
        return answer()
      },
    }
    const fetchIt = (more = {}) => fetchPackages([one], { ...sources, ...more })
    await t.rejects(fetchIt({ offline: true }), /not in the cache/)
    answer = () => new Response('gone', { status: 404 })
    await t.rejects(fetchIt(), { message: /is not there/, hint: /p 1 was superseded.*--refresh/ })
    answer = () => new Response('a packagE')
    await t.rejects(fetchIt(), /SHA-256 differs/)
    answer = () => new Response('a package that is longer')
    await t.rejects(fetchIt(), /larger/)
    answer = () => new Response(bytes)
    asked = 0
    t.same(await fetchIt(), [bytes])
    t.same(await fetchIt({ offline: true }), [bytes])
    t.equal(asked, 1)
    t.match(lines.at(-1), /1 packages.*verified/)
  },
)

t.test('When the user has a cache directory, then it is used; a relative one is not', async t => {
  t.equal(cacheDirectory({ XDG_CACHE_HOME: '/c' }), '/c/claviger/image')
  t.match(cacheDirectory({ XDG_CACHE_HOME: 'c' }), /\/\.cache\/claviger\/image$/)
  t.equal(cacheDirectory({ CLAVIGER_IMAGE_CACHE: '/o', XDG_CACHE_HOME: '/c' }), '/o')
})
