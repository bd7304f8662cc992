/** Archives: what goes in comes out, what is damaged is refused, and the kernel's and GNU's own programs agree. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { ImageError } from '../../image-build/errors.ts'
import { writeCpio } from '../../image-build/initramfs/cpio.ts'
import { Tree } from '../../image-build/tree/tree.ts'
import { filesOf } from '../../image-build/unpack/deb.ts'
import { readTar } from '../../image-build/unpack/tar.ts'
import { writeTar } from '../../image-build/unpack/tar-writer.ts'
import { unlessThere } from './tools.ts'

const part = fc.stringMatching(/^[A-Za-z0-9_+.-]{1,40}$/).filter(name => name !== '.' && name !== '..')
const files = fc.dictionary(
  fc.array(part, { minLength: 1, maxLength: 4 }).map(parts => parts.join('/')),
  fc.uint8Array({ maxLength: 1500 }),
  { maxKeys: 8 },
)

/** A tree, or `null` where a file of the list would have to be a directory too. */
function treeOf(contents: Record<string, Uint8Array>): Tree | null {
  const tree = new Tree()
  try {
    for (const [path, bytes] of Object.entries(contents))
      tree.file(path, bytes, { mode: 0o640, uid: 7, gid: 8 })
    return tree
  } catch (error) {
    if (error instanceof ImageError) return null
    throw error
  }
}

t.test('When a tree is written as tar and read, then it is the same', async t => {
  fc.assert(
    fc.property(files, contents => {
      const tree = treeOf(contents)
      fc.pre(tree !== null)
      tree.link('a link', '../somewhere')
      const read = filesOf('claviger', readTar(writeTar(tree, 1_700_000_000)))
      t.same(
        [...read.keys()].sort(),
        tree
          .entries()
          .map(([path]) => path)
          .sort(),
      )
      for (const [path, entry] of tree.entries()) {
        const { kind, mode, uid, gid } = read.get(path)!
        t.same([kind, mode, uid, gid], [entry.kind, entry.mode, entry.uid, entry.gid], path)
        if (entry.kind === 'file')
          t.same(Buffer.from((read.get(path) as typeof entry).bytes), Buffer.from(entry.bytes))
      }
    }),
    { numRuns: 60 },
  )
})

t.test('When a byte of a header is changed, or the end is missing, then the archive is refused', async t => {
  const tree = new Tree()
  tree.file('a', 'hello')
  const archive = writeTar(tree, 1)
  fc.assert(
    fc.property(fc.nat(511), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const broken = Buffer.from(archive)
      broken[at] = broken[at]! ^ change
      let entries: unknown
      try {
        entries = readTar(broken)
      } catch (error) {
        return void t.type(error, ImageError)
      }
      // the sum may be written in several ways; what it says is the same
      t.ok(at >= 148 && at < 156, `a change at ${at} was not found: ${JSON.stringify(entries)}`)
    }),
  )
  for (const length of [1, 511, 512, 600, 1024])
    t.throws(() => readTar(archive.subarray(0, length)), ImageError)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), bytes => {
      try {
        readTar(bytes)
      } catch (error) {
        if (!(error instanceof ImageError)) throw error
      }
    }),
  )
})

t.test('When GNU tar writes long names and hard links, then they are read', async t => {
  const directory = t.testdir({
    [`${'long'.repeat(30)}.txt`]: 'x',
    short: 'y',
    hard: t.fixture('link', 'short'),
  })
  const { stdout, status } = spawnSync('tar', ['--format=gnu', '-C', directory, '-cf', '-', '.'])
  t.equal(status, 0)
  const read = filesOf('p', readTar(stdout))
  for (const [name, text] of [
    [`${'long'.repeat(30)}.txt`, 'x'],
    ['hard', 'y'],
  ] as const) {
    const entry = read.get(name)
    t.equal(entry?.kind === 'file' && Buffer.from(entry.bytes).toString(), text, name)
  }
})

t.test('When a package holds a path that leads out of it, or a device, then it is refused', async t => {
  const entry = { kind: 'file', mode: 0o644, uid: 0, gid: 0, bytes: new Uint8Array(), target: '' } as const
  for (const path of ['../etc/passwd', './usr/../../x', '/etc/passwd', 'a//b'])
    t.throws(() => filesOf('p', [{ ...entry, path }]), ImageError, path)
  t.throws(() => filesOf('p', [{ ...entry, path: 'dev/sda', kind: 'other' }]), ImageError)
  t.throws(() => filesOf('p', [{ ...entry, path: 'a', kind: 'hardlink', target: 'b' }]), ImageError)
})

t.test('When cpio unpacks our archive, then it finds the tree', { skip: unlessThere('cpio') }, async t => {
  const tree = new Tree()
  tree.file('init', '#!/bin/sh\n', { mode: 0o755 })
  tree.file('etc/deep/er', 'a'.repeat(5))
  tree.link('bin', 'usr/bin')
  const place = join(t.testdir({}), 'out')
  mkdirSync(place)
  const { status, stderr } = spawnSync('cpio', ['-idm', '--quiet'], { cwd: place, input: writeCpio(tree) })
  t.equal(status, 0, String(stderr))
  t.same(readdirSync(place).sort(), ['bin', 'etc', 'init'])
  t.equal(readFileSync(join(place, 'etc/deep/er'), 'utf8'), 'aaaaa')
  t.equal(readlinkSync(join(place, 'bin')), 'usr/bin')
})

t.test('When two archives are put behind each other, then the second begins at a whole word', async t => {
  fc.assert(
    fc.property(files, contents => {
      const tree = treeOf(contents)
      fc.pre(tree !== null)
      t.equal(writeCpio(tree).length % 4, 0)
    }),
  )
})

t.test(
  'When something is put where something else is, then it is refused; directories may come twice',
  async t => {
    const tree = new Tree()
    tree.file('a/b', 'x', { from: 'one' })
    tree.directory('a')
    t.throws(() => tree.file('a/b', 'x', { from: 'two' }), /twice, from one and from two/)
    t.throws(() => tree.file('a/b/c', 'x'), ImageError)
    for (const path of ['', '/a', 'a/', 'a/../b', 'a\0'])
      t.throws(() => tree.file(path, 'x'), ImageError, JSON.stringify(path))
    // parents come before what is in them, whatever their names
    tree.file('a.b/c', 'x')
    const order = tree.entries().map(([path]) => path)
    for (const path of order.filter(each => each.includes('/')))
      t.ok(order.indexOf(path) > order.indexOf(path.slice(0, path.lastIndexOf('/'))), path)
  },
)
