/** Which disks the card writer takes for a card: what Linux says of them is parsed, and each refusal is asked for. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { CARD_BYTES } from '../../image-build/disk/layout.ts'
import { ImageError } from '../../image-build/errors.ts'
import { type Disk, parseDisk, parseMounts, parseSwaps, usesOf } from '../../image-build/flash/disk.ts'
import { deviceNumber, type Inspection, inspectDisk } from '../../image-build/flash/inspect.ts'
import { assertCard, listing, showSize } from '../../image-build/flash/refusal.ts'
import { findTarget, parseSize } from '../../image-build/flash/target.ts'

const USB = '/sys/devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/host4/target4:0:0/4:0:0:0/block'

t.test('When Linux describes a disk, then its description is parsed; no text ends the program', async t => {
  const size = fc.integer({ min: 0, max: 2 ** 40 })
  const places = [
    [USB, 'usb'],
    ['/sys/devices/pci0000:00/0000:00:1d.0/0000:3b:00.0/nvme/nvme0', 'nvme'],
    ['/sys/devices/pci0000:00/0000:00:17.0/ata2/host1/target1:0:0/1:0:0:0/block', 'sata'],
    ['/sys/devices/pci0000:00/0000:00:05.0/virtio2/block', 'virtio'],
    ['/sys/devices/virtual/block', 'virtual'],
  ] as const
  fc.assert(
    fc.property(
      fc.constantFrom(...places),
      fc.array(size, { maxLength: 12 }),
      size,
      fc.boolean(),
      fc.boolean(),
      fc.stringMatching(/^[A-Za-z0-9_-]{1,16}$/),
      ([place, bus], partSizes, sectors, isRemovable, isReadOnly, model) => {
        const flag = (value: boolean) => `${Number(value)}\n`
        const raw = {
          path: `${place}/sdb`,
          texts: {
            dev: '8:16\n',
            size: `${sectors}\n`,
            removable: flag(isRemovable),
            ro: flag(isReadOnly),
            'device/model': `${model}         \n`,
            'queue/logical_block_size': '512\n',
          },
          holders: [],
        }
        const parts = partSizes.map((count, i) => ({
          path: `${place}/sdb/sdb${i + 1}`,
          texts: { dev: `8:${17 + i}\n`, size: `${count}\n`, partition: `${i + 1}\n` },
          holders: [],
        }))
        const disk = parseDisk(raw, parts.toReversed())
        t.match(disk, {
          name: 'sdb',
          number: '8:16',
          bytes: sectors * 512,
          bus,
          isRemovable,
          isReadOnly,
          model,
        })
        t.same(
          disk.parts.map(({ name, bytes }) => [name, bytes]),
          partSizes.map((count, i) => [`sdb${i + 1}`, count * 512]),
          'in the order of their numbers',
        )
      },
    ),
    { numRuns: 50 },
  )
  const text = fc.string({ unit: 'binary' })
  fc.assert(
    fc.property(text, fc.dictionary(text, text), text, (path, texts, file) => {
      const disk = parseDisk({ path, texts, holders: [] }, [])
      const named = parseDisk({ path, texts: { ...texts, 'device/model': file }, holders: [] }, [])
      if (/[^ -~]/.test(named.model))
        t.fail(`a model that acts on a terminal: ${JSON.stringify(named.model)}`)
      usesOf(disk, parseMounts(file), parseSwaps(file))
    }),
  )
})

t.test('When a reader has an SD card or memory that is soldered in, then the two are told apart', async t => {
  const mmc = (type: string) =>
    parseDisk(
      {
        path: '/sys/devices/platform/soc/fe340000.mmc/mmc_host/mmc0/mmc0:aaaa/block/mmcblk0',
        texts: { dev: '179:0\n', size: '62333952\n', 'device/type': `${type}\n`, 'device/name': 'SC32G\n' },
        holders: [],
      },
      [],
    )
  t.match(mmc('SD'), { bus: 'card', model: 'SC32G' })
  t.match(mmc('MMC'), { bus: 'soldered' })
})

t.test('When mounts and swaps are listed, then blanks in their names are blanks', async t => {
  const mounts = parseMounts(
    '36 35 8:17 / /media/my\\040card rw,noatime shared:1 - vfat /dev/sdb1 rw\nnonsense\n\n',
  )
  t.same(mounts, [{ number: '8:17', source: '/dev/sdb1', at: '/media/my card' }])
  t.same(parseSwaps('Filename\tType\tSize\tUsed\tPriority\n/dev/sdb2   partition\t1\t0\t-2\n'), ['/dev/sdb2'])
  t.equal(deviceNumber(0x810), '8:16')
})

const CARD: Disk = {
  ...{ name: 'sdb', number: '8:16', bytes: 31_914_983_424, holders: [], model: 'Generic Reader', bus: 'usb' },
  ...{ isRemovable: true, isReadOnly: false, sectorBytes: 512 },
  parts: [{ name: 'sdb1', number: '8:17', bytes: 268_435_456, holders: [] }],
}
const NOTHING = { notRemovable: false, large: false }

t.test('When a disk is no card, then it is refused, and it says why and what to do', async t => {
  const look = (change: Partial<Disk>, rest: Partial<Inspection> = {}): Inspection => ({
    ...{ disk: { ...CARD, ...change }, uses: [], holdsRoot: false },
    ...rest,
  })
  const used = (how: 'mounted' | 'swap' | 'held', by: string) => ({ uses: [{ name: 'sdb1', how, by }] })
  const cases: [Inspection, message: RegExp, hint: RegExp][] = [
    [look({}, { holdsRoot: true }), /^this machine runs from \/dev\/sdb$/, /which disk/],
    [
      look({}, used('mounted', '/media/my card')),
      /sdb1 is mounted at \/media\/my card$/,
      /umount '\/media\/my/,
    ],
    [look({}, used('swap', '')), /sdb1 is swap$/, /swapoff \/dev\/sdb1/],
    [look({}, used('held', 'dm-3')), /sdb1 is held by dm-3$/, /dmsetup/],
    [look({ bytes: 0 }), /^there is no card in \/dev\/sdb$/, /put it in/],
    [look({ isReadOnly: true }), /^\/dev\/sdb is read-only$/, /switch/],
    [look({ sectorBytes: 4096 }), /sectors of 4096 bytes$/, /another card reader/],
    [look({ bytes: CARD_BYTES - 512 }), /has 1\.4 GB, and the layout needs 1\.4 GB$/, /2 GB/],
    [
      look({ bus: 'sata', isRemovable: false }),
      /built in, not removable: Generic Reader, sata, 32/,
      /--not-rem/,
    ],
    [look({ bus: 'soldered', isRemovable: false }), /built in/, /--not-removable/],
    [look({ bytes: 1e12 }), /larger than a card: Generic Reader, usb, 1000 GB$/, /--large/],
  ]
  for (const [inspection, message, hint] of cases)
    t.throws(() => assertCard(inspection, NOTHING), { message, hint, constructor: ImageError }, `${message}`)
  assertCard(look({}), NOTHING)
  assertCard(look({ isRemovable: false }), NOTHING)
  assertCard(look({ bytes: CARD_BYTES }), NOTHING)
  assertCard(look({ bytes: 512e9 }), NOTHING)
  assertCard(look({ bus: 'sata', isRemovable: false }), { ...NOTHING, notRemovable: true })
  assertCard(look({ bytes: 1e12 }), { ...NOTHING, large: true })
  const all = { notRemovable: true, large: true }
  t.throws(() => assertCard(look({}, { holdsRoot: true }), all), /runs from/, 'nothing allows that')
  t.throws(() => assertCard(look({}, used('mounted', '/mnt')), all), /in use/)
  t.same(listing(CARD), ['/dev/sdb: Generic Reader, usb, 32 GB', '  sdb1  268 MB'])
  t.equal(showSize(999_999), '999999 bytes')
})

/** A /sys and a /proc with a card, and a system disk that is encrypted. */
function machine(directory: string, mountinfo: string, swaps = 'Filename\n') {
  const sys = join(directory, 'sys')
  const file = (path: string, text: string) => {
    mkdirSync(dirname(join(sys, path)), { recursive: true })
    writeFileSync(join(sys, path), text)
  }
  const link = (path: string, to: string) => {
    mkdirSync(dirname(join(sys, path)), { recursive: true })
    symlinkSync(relative(dirname(join(sys, path)), join(sys, to)), join(sys, path))
  }
  const block = (path: string, texts: Record<string, string>) => {
    for (const [name, text] of Object.entries(texts)) file(`${path}/${name}`, `${text}\n`)
    link(`dev/block/${texts.dev}`, path)
  }
  const [usb, sata, dm] = [
    'devices/usb1/1-2/block/sdb',
    'devices/ata1/x/block/sda',
    'devices/virtual/block/dm-0',
  ]
  block(usb, { dev: '8:16', size: '62333952', removable: '1', ro: '0', 'device/vendor': 'Generic' })
  block(`${usb}/sdb1`, { dev: '8:17', size: '524288', partition: '1' })
  block(sata, { dev: '8:0', size: '1000215216', removable: '0', ro: '0', 'device/model': 'SSD 860' })
  block(`${sata}/sda2`, { dev: '8:2', size: '900000000', partition: '2' })
  block(dm, { dev: '254:0', size: '900000000', removable: '0', ro: '0' })
  link(`${dm}/slaves/sda2`, `${sata}/sda2`)
  link(`${sata}/sda2/holders/dm-0`, dm)
  mkdirSync(join(directory, 'proc/self'), { recursive: true })
  writeFileSync(join(directory, 'proc/self/mountinfo'), mountinfo)
  writeFileSync(join(directory, 'proc/swaps'), swaps)
  return { sys, proc: join(directory, 'proc') }
}

const ROOT = '26 1 254:0 / / rw - ext4 /dev/mapper/root rw\n'

t.test('When a disk is looked at, then its parts, its users and the running system are found', async t => {
  const idle = machine(join(t.testdir(), 'idle'), ROOT)
  const card = await inspectDisk('8:16', idle)
  t.match(card, { holdsRoot: false, uses: [], disk: { model: 'Generic', bus: 'usb', isRemovable: true } })
  t.same(
    card.disk.parts.map(({ name }) => name),
    ['sdb1'],
  )
  t.match(await inspectDisk('8:0', idle), {
    holdsRoot: true,
    uses: [{ name: 'sda2', how: 'held', by: 'dm-0' }],
  })
  await t.rejects(inspectDisk('8:17', idle), {
    message: '/dev/sdb1 is a partition of /dev/sdb',
    hint: /name \/dev\/sdb/,
  })
  await t.rejects(inspectDisk('9:9', idle), /knows no disk/)
  const mounted = '40 26 8:17 / /media/card rw - vfat /dev/sdb1 rw\n41 26 0:44 / /b rw - btrfs /dev/sdb1 rw\n'
  const busy = machine(join(t.testdir(), 'busy'), ROOT + mounted, 'Filename\n/dev/sdb1 partition 1 0 -2\n')
  t.same((await inspectDisk('8:16', busy)).uses, [
    { name: 'sdb1', how: 'mounted', by: '/media/card' },
    { name: 'sdb1', how: 'mounted', by: '/b' },
    { name: 'sdb1', how: 'swap', by: '' },
  ])
})

t.test('When the card is neither a disk nor a file, or is the image, then it is refused', async t => {
  const directory = t.testdir({ 'a.img': 'x', folder: {} })
  const image = join(directory, 'a.img')
  const find = (card: string) => findTarget(card, image, NOTHING)
  await t.rejects(find('/dev/null'), /neither a block device nor a file/)
  await t.rejects(find(join(directory, 'folder')), /neither a block device nor a file/)
  await t.rejects(find('/dev/claviger-no-such-disk'), { message: /there is no/, hint: /put the card in/ })
  await t.rejects(find(image), /is the image itself/)
  t.match(await find(join(directory, 'new')), { name: 'new', isDevice: false, isFresh: true })
  t.equal(parseSize(undefined), CARD_BYTES)
  t.equal(parseSize('2G'), 2 ** 31)
  for (const text of ['2T', '-1', '', '3', '0x10'])
    t.throws(() => parseSize(text), /not the size of a card/, text)
  t.throws(() => parseSize('1G'), /the layout needs/)
})
