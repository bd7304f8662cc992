/** What is on the card: the table, the FAT, the hash tree; each against a program that others wrote, where there is one. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { cardImage } from '../../image-build/disk/card.ts'
import { compareCard } from '../../image-build/disk/compare.ts'
import { fat32 } from '../../image-build/disk/fat.ts'
import { CARD_BYTES, DISK_ID, PARTITIONS, STATE_SECTOR } from '../../image-build/disk/layout.ts'
import { readMbr, SECTOR, writeMbr } from '../../image-build/disk/mbr.ts'
import { BLOCK, verity, verityTable } from '../../image-build/disk/verity.ts'
import { ImageError } from '../../image-build/errors.ts'
import { unlessThere } from './tools.ts'

const MIB = 1024 * 1024
const TIME = Date.UTC(2026, 2, 1, 12, 30, 10) / 1000

t.test(
  'When a table is written and read, then it is the same; what overlaps or is out of reach is refused',
  async t => {
    const partition = fc.record({
      gap: fc.nat(1000),
      sectors: fc.integer({ min: 1, max: 1_000_000 }),
      type: fc.integer({ min: 1, max: 255 }),
    })
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffff_ffff }),
        fc.array(partition, { maxLength: 4 }),
        (id, list) => {
          let end = 1
          const partitions = list.map(({ gap, sectors, type }) => {
            const start = end + gap
            end = start + sectors
            return { start, sectors, type }
          })
          t.same(readMbr(writeMbr(id, partitions)), { id, partitions })
          if (partitions.length > 1)
            t.throws(
              () =>
                writeMbr(id, [
                  ...partitions.slice(0, -1),
                  { ...partitions.at(-1)!, start: partitions[0]!.start },
                ]),
              ImageError,
            )
        },
      ),
    )
    t.throws(() => writeMbr(1, [{ start: 0, sectors: 1, type: 1 }]), ImageError, 'the table itself')
    t.throws(() => readMbr(Buffer.alloc(SECTOR)), ImageError)
  },
)

t.test('When the card is laid out, then nothing overlaps and all of it fits on 2 GB', async t => {
  t.ok(CARD_BYTES <= 2_000_000_000)
  const { id, partitions } = readMbr(writeMbr(DISK_ID, Object.values(PARTITIONS)))
  t.equal(id, DISK_ID)
  t.equal(partitions.length, 4)
  t.ok(STATE_SECTOR < partitions[0]!.start, 'the state sector is in the gap')
  for (const { start } of partitions) t.equal((start * SECTOR) % MIB, 0, 'on the boundary of an erase block')
})

const FILES = [
  { path: 'config.txt', bytes: Buffer.from('a=b\n') },
  { path: 'a/vmlinuz', bytes: Buffer.alloc(100_000, 'kernel') },
  { path: 'a/bcm2837-rpi-zero-2-w.dtb', bytes: Buffer.alloc(1024, 1) },
  { path: 'a/bcm2837-rpi-3-b-plus.dtb', bytes: Buffer.alloc(1, 2) },
  { path: 'empty', bytes: new Uint8Array() },
  { path: 'a/overlays/UPPER.TXT', bytes: Buffer.from('x') },
]
const OPTIONS = { size: 72 * MIB, id: 0x1234_5678, label: 'TEST', time: TIME }

t.test(
  'When a FAT is written, then fsck finds nothing and mtools reads every file',
  { skip: unlessThere('fsck.vfat', 'mcopy') },
  async t => {
    const { bytes, offsets } = fat32(FILES, OPTIONS)
    const image = join(t.testdir({}), 'fat')
    writeFileSync(image, bytes)
    const { status, stdout } = spawnSync('fsck.vfat', ['-n', image], { encoding: 'utf8' })
    t.equal(status, 0, stdout)
    for (const file of FILES) {
      const read = spawnSync('mcopy', ['-n', '-i', image, `::${file.path}`, '-'], {
        env: { ...process.env, MTOOLS_SKIP_CHECK: '0' },
      })
      t.ok(read.stdout.equals(Buffer.from(file.bytes)), file.path)
      const at = offsets.get(file.path)
      if (at !== undefined)
        t.ok(
          bytes.subarray(at, at + file.bytes.length).equals(Buffer.from(file.bytes)),
          `${file.path} is at ${at}`,
        )
    }
    const listing = spawnSync('mdir', ['-i', image, '-/', '::'], {
      encoding: 'utf8',
      env: { ...process.env, TZ: 'UTC' },
    }).stdout
    t.match(listing, /2026-03-01 +12:30/)
    t.match(listing, 'bcm2837-rpi-zero-2-w.dtb')
  },
)

t.test('When a FAT cannot be written, then it says why', async t => {
  const file = (path: string, length = 1) => ({ path, bytes: new Uint8Array(length) })
  for (const path of ['a b', '../x', 'ä', 'x.', ''])
    t.throws(() => fat32([file(path)], OPTIONS), ImageError, JSON.stringify(path))
  t.throws(() => fat32([file('a'), file('a')], OPTIONS), /twice/)
  t.throws(() => fat32([file('a.txt'), file('A.TXT')], OPTIONS), /case/)
  t.throws(() => fat32([file('a', 80 * MIB)], OPTIONS), /full/)
  t.throws(() => fat32([], { ...OPTIONS, size: 8 * MIB }), /too small/)
})

t.test('When files are given in another order, then the FAT has the same bytes', async t => {
  t.ok(fat32(FILES, OPTIONS).bytes.equals(fat32(FILES.toReversed(), OPTIONS).bytes))
})

t.test(
  'When a hash tree is made, then veritysetup verifies it, and finds a flipped bit',
  { skip: unlessThere('veritysetup') },
  async t => {
    const directory = t.testdir({})
    // one block, one level, two levels
    for (const blocks of [1, 5, 128, 129, 300]) {
      const data = Buffer.alloc(blocks * BLOCK)
      for (let i = 0; i < blocks; i++) data.writeUInt32LE(i * 7, i * BLOCK)
      const made = verity(data, 'ab'.repeat(16))
      const path = join(directory, String(blocks))
      const check = (contents: Uint8Array) => {
        writeFileSync(path, contents)
        return spawnSync('veritysetup', [
          ...['verify', path, path, made.root, '--no-superblock', '--hash', 'sha256', '--salt', made.salt],
          ...['--data-blocks', String(blocks), `--hash-offset=${data.length}`],
        ]).status
      }
      const whole = Buffer.concat([data, made.hashes])
      t.equal(check(whole), 0, `${blocks} blocks`)
      whole[data.length - 1]! ^= 1
      t.not(check(whole), 0, `${blocks} blocks, one bit flipped`)
      t.match(
        verityTable(made, '/dev/x'),
        new RegExp(
          `^0 ${blocks * 8} verity 1 /dev/x /dev/x 4096 4096 ${blocks} ${blocks} sha256 ${made.root} `,
        ),
      )
    }
    t.throws(() => verity(Buffer.alloc(BLOCK + 1), ''), RangeError)
  },
)

t.test(
  'When a card comes back, then what its owner wrote is no difference, and any other byte is',
  async t => {
    const fat = Buffer.alloc(PARTITIONS.boot.sectors * SECTOR)
    const provision = { offset: 5000, size: 4096 }
    fat.fill(0x20, 5000, 5000 + 4096)
    fat[5000 + 4095] = 0x0a
    const { image, regions } = cardImage({ fat, root: Buffer.alloc(3 * BLOCK, 5), provision })
    const compare = (card: Buffer) =>
      compareCard({ read: async (at, size) => card.subarray(at, at + size) }, { regions })
    t.same(await compare(image), [])
    const bootAt = PARTITIONS.boot.start * SECTOR
    const used = Buffer.from(image)
    used.write('{"name":"till"}', bootAt + 5000)
    used.fill(0, bootAt + 9000, bootAt + 9096)
    used.write('data=made', STATE_SECTOR * SECTOR)
    t.same(await compare(used), [], 'provision.json and the state sector')
    const places: [at: number, region: string][] = [
      [0, 'master boot record'],
      [445, 'master boot record'],
      [SECTOR, 'gap before the state sector'],
      [(STATE_SECTOR + 1) * SECTOR, 'gap behind the state sector'],
      [bootAt + 4999, 'boot'],
      [bootAt + 9096, 'boot'],
      [PARTITIONS.rootA.start * SECTOR + 3 * BLOCK - 1, 'root'],
    ]
    for (const [at, region] of places) {
      const changed = Buffer.from(image)
      changed[at]! ^= 1
      t.same(
        (await compare(changed)).map(difference => difference.region),
        [region],
        `byte ${at}`,
      )
    }
    t.match(await compare(image.subarray(0, PARTITIONS.rootA.start * SECTOR)), [
      { region: 'root', message: /ends/ },
    ])
  },
)

t.test('When the root does not fit into its slot, then there is no image', async t => {
  const fat = Buffer.alloc(1)
  const root = Buffer.alloc(PARTITIONS.rootA.sectors * SECTOR + 1)
  t.throws(() => cardImage({ fat, root, provision: { offset: 0, size: 0 } }), /slot/)
})
