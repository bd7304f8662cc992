/** The root: what is kept of packages and taken off programs, who is who, and how tightly the units are closed. */
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { ImageError } from '../../image-build/errors.ts'
import { group, passwd, shadow, USERS } from '../../image-build/tree/accounts.ts'
import { addLibraries, keep } from '../../image-build/tree/collect.ts'
import { readElf, stripElf } from '../../image-build/tree/elf.ts'
import { programs, rootList, wantedUnits } from '../../image-build/tree/lists.ts'
import { type Entry, Tree } from '../../image-build/tree/tree.ts'
import { unlessThere } from './tools.ts'

/** An arm64 ELF with one loaded segment and a dynamic one, and something behind them that is not loaded. */
function elf(needed: string[], { interpreter = '', soname = '' } = {}): Buffer {
  const strings = ['', ...needed, soname, interpreter].map(name => `${name}\0`)
  const at = (name: string) => strings.slice(0, strings.indexOf(`${name}\0`)).join('').length
  const names = Buffer.from(strings.join(''))
  const base = 64 + 3 * 56
  const tags: [number, number][] = [
    ...needed.map((name): [number, number] => [1, at(name)]),
    [5, 0x10000 + base],
  ]
  if (soname) tags.push([14, at(soname)])
  const dynamic = Buffer.alloc((tags.length + 1) * 16)
  for (const [i, [tag, value]] of tags.entries()) {
    dynamic.writeBigUInt64LE(BigInt(tag), i * 16)
    dynamic.writeBigUInt64LE(BigInt(value), i * 16 + 8)
  }
  const loaded = base + names.length + dynamic.length
  const file = Buffer.alloc(loaded + 100, 0xee)
  file.fill(0, 0, base)
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  file.writeUInt16LE(3, 16)
  file.writeUInt16LE(183, 18)
  file.writeBigUInt64LE(64n, 32)
  file.writeBigUInt64LE(BigInt(loaded), 40)
  file.writeUInt16LE(56, 54)
  file.writeUInt16LE(3, 56)
  file.writeUInt16LE(7, 60)
  const segment = (i: number, type: number, offset: number, size: number) => {
    const from = 64 + i * 56
    file.writeUInt32LE(type, from)
    file.writeBigUInt64LE(BigInt(offset), from + 8)
    file.writeBigUInt64LE(BigInt(0x10000 + offset), from + 16)
    file.writeBigUInt64LE(BigInt(size), from + 32)
  }
  segment(0, 1, 0, loaded)
  segment(1, 2, base + names.length, dynamic.length)
  if (interpreter) segment(2, 3, base + at(interpreter), interpreter.length + 1)
  file.set(names, base)
  file.set(dynamic, base + names.length)
  return file
}

const LOADER = '/lib/ld-linux-aarch64.so.1'
const fileOf = (bytes: Uint8Array, from = 'p'): Entry => ({
  kind: 'file',
  bytes,
  mode: 0o755,
  uid: 0,
  gid: 0,
  from,
})
const linkOf = (target: string): Entry => ({ kind: 'link', target, mode: 0o777, uid: 0, gid: 0, from: 'p' })

t.test('When a program is stripped, then what is loaded is left as it was, and the rest is gone', async t => {
  const program = elf(['libc.so.6', 'libm.so.6'], { interpreter: LOADER })
  const { interpreter, needed } = readElf(program)
  t.same([interpreter, needed], [LOADER, ['libc.so.6', 'libm.so.6']])
  const stripped = stripElf(program)
  t.equal(stripped.length, program.length - 100)
  t.same(readElf(stripped), readElf(program))
  t.ok(Buffer.from(stripped).subarray(64).equals(program.subarray(64, -100)))
  t.same(stripElf(stripped), stripped)
})

t.test('When an ELF is cut off, foreign or nonsense, then it is refused', async t => {
  const program = elf(['libc.so.6'], { interpreter: LOADER })
  const { loadedSize } = readElf(program)
  fc.assert(
    fc.property(
      fc.nat(loadedSize - 1),
      length => void t.throws(() => readElf(program.subarray(0, length)), ImageError),
    ),
  )
  const other = Buffer.from(program)
  other.writeUInt16LE(62, 18)
  t.throws(() => readElf(other), /arm64/)
  fc.assert(
    fc.property(fc.nat(loadedSize - 1), fc.nat(255), (at, value) => {
      const broken = Buffer.from(program)
      broken[at] = value
      try {
        readElf(broken)
      } catch (error) {
        if (!(error instanceof ImageError)) throw error
      }
    }),
  )
})

t.test(
  'When a program is kept, then its libraries come with it under the names that it asks for, and no others',
  async t => {
    const place = 'usr/lib/aarch64-linux-gnu'
    const packages = new Map([
      [
        'p',
        new Map<string, Entry>([
          ['usr/bin/p', fileOf(elf(['liba.so.1'], { interpreter: LOADER }))],
          ['usr/bin/q', linkOf('p')],
        ]),
      ],
      [
        'a',
        new Map<string, Entry>([
          [`${place}/liba.so.1`, linkOf('liba.so.1.2')],
          [`${place}/liba.so.1.2`, fileOf(elf(['libc.so.6']))],
        ]),
      ],
      [
        'c',
        new Map<string, Entry>([
          [`${place}/libc.so.6`, fileOf(elf([]))],
          [`${place}/libunused.so.6`, fileOf(elf([]))],
          ['usr/lib/ld-linux-aarch64.so.1', fileOf(elf([]))],
        ]),
      ],
    ])
    const tree = new Tree()
    keep(tree, packages, [{ package: 'p', path: 'usr/bin/*', why: 'x' }])
    addLibraries(tree, packages)
    t.same(
      tree
        .entries()
        .filter(([, { kind }]) => kind !== 'directory')
        .map(([path]) => path),
      ['usr/bin/p', 'usr/bin/q', `${place}/liba.so.1`, `${place}/libc.so.6`, 'usr/lib/ld-linux-aarch64.so.1'],
    )
    packages.delete('c')
    t.throws(() => addLibraries(tree, packages), /ld-linux|libc/)
    t.throws(
      () => keep(new Tree(), packages, [{ package: 'p', path: 'usr/bin/r', why: 'wanted' }]),
      /no usr\/bin\/r: wanted/,
    )
    t.throws(() => keep(new Tree(), packages, [{ package: 'none', path: 'x', why: '' }]), ImageError)
  },
)

t.test('When the lists are read, then each line has a reason, and nothing on them is a shell', async t => {
  for (const mode of ['dongle', 'lan'] as const) {
    for (const { path, why } of rootList(mode)) t.ok(why.length > 3, path)
    t.notOk(
      programs(mode).some(path => /\/(?:sh|bash|dash|busybox|getty|agetty|login|su|sudo|mount)$/.test(path)),
      mode,
    )
    t.ok(programs(mode).length <= 12)
    t.ok(wantedUnits(mode)['claviger.target']!.includes('claviger-keeper.service'))
  }
  t.notOk(
    programs('dongle').some(path => /networkd|udev|nft/.test(path)),
    'a dongle has nothing of a network',
  )
})

t.test('When somebody would log in, then nobody can', async t => {
  t.notMatch(passwd(), /\/(?:ba|da)?sh$/m)
  for (const line of shadow().trim().split('\n')) t.match(line, /^[a-z-]+:!\*:/)
  const lines = passwd()
    .trim()
    .split('\n')
    .map(line => line.split(':'))
  t.equal(new Set(lines.map(([, , number]) => number)).size, lines.length)
  for (const [name, number] of Object.entries(USERS))
    t.match(passwd(), `claviger-${name}:x:${number}:${number}:`)
  t.match(group(), /^claviger-card:x:\d+:claviger-keeper,claviger-gate$/m)
})

const SYSTEM = join(import.meta.dirname, '../../image-build/system')
const unit = (path: string) => readFileSync(join(SYSTEM, path), 'utf8')

t.test(
  'When the units are looked at by systemd, then they are as closed as was promised',
  { skip: unlessThere('systemd-analyze') },
  async t => {
    const directory = t.testdir({})
    const version = Number(
      /systemd (\d+)/.exec(spawnSync('systemd-analyze', ['--version'], { encoding: 'utf8' }).stdout)?.[1],
    )
    const limits: [name: string, text: string, limit: number][] = [
      ['keeper', unit('units/claviger-keeper.service'), 5],
      ['gate-dongle', unit('units/claviger-gate.service') + unit('dongle/gate.conf'), 10],
      ['gate-lan', unit('units/claviger-gate.service') + unit('lan/gate.conf'), 10],
      ['health', unit('units/claviger-health.service'), 15],
    ]
    for (const [name, text, limit] of limits) {
      const path = join(directory, `${name}.service`)
      // an older systemd knows only the weaker value, which it counts the same
      writeFileSync(path, version < 257 ? text.replace('PrivateTmp=disconnected', 'PrivateTmp=yes') : text)
      const { status, stdout } = spawnSync(
        'systemd-analyze',
        ['security', '--offline=yes', `--threshold=${limit}`, '--no-pager', path],
        { encoding: 'utf8' },
      )
      t.equal(status, 0, `${name}: ${/Overall.*/.exec(stdout)?.[0]}`)
    }
  },
)

t.test(
  'When keeper and gate are started, then node may neither make code nor reach what is not its own',
  async t => {
    const started = (text: string) => /ExecStart=(.*?[^\\])\n/s.exec(text)![1]!.replaceAll('\\\n', ' ')
    const keeper = started(unit('units/claviger-keeper.service'))
    for (const text of [
      unit('units/claviger-keeper.service'),
      unit('units/claviger-gate.service'),
      unit('units/claviger-health.service'),
    ]) {
      t.match(text, /^MemoryDenyWriteExecute=yes$/m)
      t.match(text, /^NoExecPaths=\/$/m)
      t.match(text, /^ExecPaths=\/usr\/bin\/node \/usr\/lib$/m)
      t.match(text, /^User=claviger-/m)
    }
    for (const line of [keeper, started(unit('dongle/gate.conf')), started(unit('lan/gate.conf'))]) {
      t.match(line, /--jitless .*--permission /)
      t.notMatch(line, /--allow-(?:child|worker|addons|wasi)|=\*|=\/ |=\/data\/ /)
    }
    t.notMatch(keeper, /gate/)
    t.notMatch(started(unit('dongle/gate.conf')), /data\/keeper|credentials/)
    t.match(keeper, /--secure-heap=65536/)
  },
)
