/** From Debian's indices to the lock file: what is accepted, what is refused, which version wins. */
import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import t from 'tap'
import { changes } from '../../image-build/commands/lock.ts'
import { ImageError } from '../../image-build/errors.ts'
import { parseDeb822 } from '../../image-build/lock/deb822.ts'
import {
  formatLockFile,
  type LockedPackage,
  type LockFile,
  packagesFor,
  parseLockFile,
} from '../../image-build/lock/lock-file.ts'
import { chooseMirror } from '../../image-build/lock/mirror.ts'
import { parsePackages } from '../../image-build/lock/packages.ts'
import { resolve } from '../../image-build/lock/refresh.ts'
import { parseRelease } from '../../image-build/lock/release.ts'
import { compareVersions } from '../../image-build/lock/versions.ts'
import { KERNEL, WANTED } from '../../image-build/lock/wanted.ts'
import { readLockFile } from '../../image-build/places.ts'
import { unlessThere } from './tools.ts'

const HASH = 'ab'.repeat(32)

t.test('When control data is written and read, then it is the same', async t => {
  const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,12}$/)
  const value = fc.stringMatching(/^(?:[!-~](?:[ -~]{0,20}[!-~])?)?$/)
  const stanza = fc.dictionary(name, value, { minKeys: 1, maxKeys: 5 })
  fc.assert(
    fc.property(fc.array(stanza, { minLength: 1, maxLength: 4 }), stanzas => {
      const text = stanzas
        .map(one =>
          Object.entries(one)
            .map(([key, text]) => `${key}: ${text}\n`)
            .join(''),
        )
        .join('\n')
      t.same(
        parseDeb822(text).map(one => Object.fromEntries(one)),
        stanzas,
      )
    }),
  )
})

t.test(
  'When any text is read as control data, then it is read or refused, and nothing else happens',
  async () => {
    const line = fc.oneof(fc.string(), fc.constantFrom('A: b', ' c', '\tc', '', '# d', 'A:b', ':', 'Ä: b'))
    fc.assert(
      fc.property(fc.array(line), lines => {
        try {
          parseDeb822(lines.join('\n'))
        } catch (error) {
          if (!(error instanceof ImageError)) throw error
        }
      }),
    )
  },
)

t.test('When a line goes on, then it belongs to the field above; otherwise it is refused', async t => {
  t.same(
    [...parseDeb822('A: 1\n 2\n  3\n# no\n\nB: x\n')].map(one => [...one]),
    [[['a', '1\n2\n 3']], [['b', 'x']]],
  )
  for (const text of [' a\n', 'A: 1\nA: 2\n', 'no field\n', '-A: 1\n'])
    t.throws(() => parseDeb822(text), ImageError, JSON.stringify(text))
})

t.test('When versions are compared, then the order is the one of deb-version', async t => {
  const known: [string, string, number][] = [
    ['1.0~rc1', '1.0', -1],
    ['1:0.1', '9', 1],
    ['1.10', '1.9', 1],
    ['2.41-12+deb13u4', '2.41-12', 1],
    ['7.3.4-1~bpo13+1', '7.3.4-1', -1],
    ['1.0-1', '1.0-1', 0],
    ['1.0a', '1.0+', -1],
    ['00012', '12', 0],
  ]
  for (const [a, b, expected] of known) {
    t.equal(Math.sign(compareVersions(a, b)), expected, `${a} against ${b}`)
    t.equal(Math.sign(compareVersions(b, a)), expected === 0 ? 0 : -expected, `${b} against ${a}`)
  }
})

t.test(
  'When versions are made up, then dpkg orders them the same',
  { skip: unlessThere('dpkg') },
  async t => {
    const version = fc.stringMatching(/^[0-9][a-z0-9.+~]{0,5}(-[a-z0-9.+~]{1,3})?$/)
    fc.assert(
      fc.property(version, version, (a, b) => {
        const says = (relation: string) =>
          spawnSync('dpkg', ['--compare-versions', a, relation, b]).status === 0
        t.equal(Math.sign(compareVersions(a, b)), says('lt') ? -1 : says('gt') ? 1 : 0, `${a} ${b}`)
      }),
      { numRuns: 60 },
    )
  },
)

t.test(
  'When a Release file is read, then its hashes are by path; a line that is none is refused',
  async t => {
    const head = 'Suite: stable\nCodename: trixie\nDate: Sat, 12 Sep 2026 07:55:41 UTC\n'
    const release = parseRelease(`${head}SHA256:\n ${HASH}    12 main/binary-arm64/Packages.xz\n`)
    t.equal(release.date, Date.UTC(2026, 8, 12, 7, 55, 41) / 1000)
    t.equal(release.validUntil, null)
    t.same(release.indices.get('main/binary-arm64/Packages.xz'), { size: 12, sha256: HASH })
    for (const bad of [`SHA256:\n ${HASH} main/x\n`, `SHA256:\n ${HASH.slice(1)} 1 x\n`, ''])
      t.throws(() => parseRelease(head + bad), ImageError)
    t.throws(() => parseRelease(`${head.replace('Sat, 12', 'no')}SHA256:\n ${HASH} 1 x\n`), ImageError)
  },
)

t.test(
  'When an index names a place outside of the pool, or no hash, then the package is refused',
  async t => {
    const text = (path: string, hash = HASH, size = '10') =>
      `Package: a-b\nVersion: 1\nDepends: c (>= 2) | d, e:any\nFilename: ${path}\nSize: ${size}\nSHA256: ${hash}\n`
    const [offer] = parsePackages(
      `Package: other\n\n${text('pool/main/a/a-b_1_arm64.deb')}`,
      name => name === 'a-b',
    )
    t.same(offer?.depends, ['c', 'e'])
    const bad = [
      text('pool/../../etc/passwd.deb'),
      text('/pool/main/a.deb'),
      text('pool/main/a/a.deb', 'AB'.repeat(32)),
      text('pool/main/a/a.deb', HASH, '-1'),
      text('pool/main/a/a.deb', HASH, '0'),
    ]
    for (const one of bad) t.throws(() => parsePackages(one, () => true), ImageError, one)
  },
)

t.test(
  'When several suites have a package, then the newest is taken, and the kernel by its own name',
  async t => {
    const offer = (
      name: string,
      version: string,
      sets: ('base' | 'kernel-stable' | 'kernel-backports')[],
      depends: string[] = [],
    ) => ({
      ...{ name, version, depends, path: `pool/main/${name}.deb`, sha256: HASH, size: 1 },
      ...{ archive: 'debian' as const, component: 'main', sets },
    })
    const stable: ('base' | 'kernel-stable')[] = ['base', 'kernel-stable']
    const found = [
      ...WANTED.flatMap(({ name }) => [
        offer(name, '1.9', stable),
        offer(name, '1.10', stable),
        offer(name, '2', ['kernel-backports']),
      ]),
      offer(KERNEL, '6', stable, ['linux-image-6.1-arm64']),
      offer('linux-image-6.1-arm64', '6', stable, ['kmod', 'linux-base']),
      offer(KERNEL, '7', ['kernel-backports'], ['linux-image-7.1-arm64']),
      offer('linux-image-7.1-arm64', '7', ['kernel-backports'], ['linux-modules-7.1-arm64']),
      offer('linux-modules-7.1-arm64', '7', ['kernel-backports']),
    ]
    const locked = resolve(found)
    t.ok(locked.filter(({ set }) => set === 'base').every(({ version }) => version === '1.10'))
    t.same(
      locked.filter(({ set }) => set === 'kernel-stable').map(({ name }) => name),
      ['linux-image-6.1-arm64'],
    )
    t.same(
      locked.filter(({ set }) => set === 'kernel-backports').map(({ name }) => name),
      ['linux-image-7.1-arm64', 'linux-modules-7.1-arm64'],
    )
    t.throws(() => resolve(found.filter(({ name }) => name !== WANTED[3]!.name)), new RegExp(WANTED[3]!.name))
  },
)

const packageOf = (name: string): LockedPackage => ({
  ...{ name, version: '1', set: 'base', archive: 'debian', component: 'main' },
  ...{ path: `pool/main/${name}.deb`, sha256: HASH, size: 1 },
})
const lockOf = (names: string[]): LockFile => ({
  ...{ version: 1, codename: 'trixie', architecture: 'arm64', date: 1 },
  packages: names.map(packageOf),
})

t.test(
  'When the lock file is written and read, then it is the same; the order of its packages is fixed',
  async t => {
    t.same(parseLockFile(formatLockFile(lockOf(['bb', 'aa']))), lockOf(['aa', 'bb']))
    t.equal(formatLockFile(lockOf(['bb', 'aa'])), formatLockFile(lockOf(['aa', 'bb'])))
    t.same(changes(lockOf(['aa', 'bb']), lockOf(['bb', 'cc'])), ['aa: 1 -> gone', 'cc: not there -> 1'])
  },
)

t.test('When anything in a lock file is not as it has to be, then it is refused', async t => {
  const good = JSON.parse(formatLockFile(lockOf(['aa']))) as { packages: Record<string, unknown>[] }
  const [one] = good.packages
  const breaks: Record<string, unknown>[] = [
    ...['name', 'version', 'path', 'sha256', 'set', 'archive', 'component', 'size'].map(key => ({
      ...one,
      [key]: '../x',
    })),
    ...Object.keys(one!).map(key =>
      Object.fromEntries(Object.entries(one!).filter(([name]) => name !== key)),
    ),
    { ...one, more: 1 },
    { ...one, path: 'pool/a/../../b.deb' },
  ]
  for (const broken of breaks)
    t.throws(
      () => parseLockFile(JSON.stringify({ ...good, packages: [broken] })),
      ImageError,
      JSON.stringify(broken),
    )
  t.throws(() => parseLockFile(JSON.stringify({ ...good, packages: [one, one] })), /twice/)
  fc.assert(fc.property(fc.json(), text => void t.throws(() => parseLockFile(text), ImageError)))
})

t.test(
  'When the lock file of the repository is read, then each image has one kernel and all that was wanted',
  async t => {
    const lock = await readLockFile()
    for (const kernel of ['stable', 'backports'] as const) {
      const names = packagesFor(lock, kernel).map(({ name }) => name)
      for (const { name } of WANTED) t.ok(names.includes(name), `${kernel}: ${name}`)
      t.equal(names.filter(name => name.startsWith('linux-image-')).length, 1)
    }
  },
)

t.test(
  'When a machine has sources, then its mirror is taken; what a person names goes before; else Debian itself',
  async t => {
    const sources = [
      {
        name: 'sources.list',
        text: '# deb http://no.example/debian x main\ndeb [arch=arm64] https://m.example/debian/ trixie main\n',
      },
      {
        name: 'sources.list.d/s.sources',
        text: 'Types: deb\nURIs: http://s.example/debian-security\nSuites: trixie-security\n',
      },
      { name: 'sources.list.d/t.list', text: 'deb file:/media/debian trixie main\n' },
    ]
    t.same(chooseMirror(sources), {
      debian: 'https://m.example/debian',
      'debian-security': 'http://s.example/debian-security',
    })
    t.same(chooseMirror(sources, 'http://n.example/'), {
      debian: 'http://n.example/debian',
      'debian-security': 'http://n.example/debian-security',
    })
    t.match(chooseMirror([]).debian, /^http:\/\/deb\.debian\.org\/debian$/)
  },
)
