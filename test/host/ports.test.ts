/** Dongles among the terminals of a machine, on recorded lists of the three systems. */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import {
  DEFAULT_FINGERPRINTS,
  isDongle,
  parseFingerprints,
  usbIdsOf,
} from '../../host-agent/client/usb/fingerprints.ts'
import { type ListedPort, listDongles, serialOf } from '../../host-agent/client/usb/ports.ts'
import { plainText } from '../../host-agent/client/usb/text.ts'
import { formatUsbIds } from '../../protocol/link/usb-identity.ts'
import { IDS, LINUX, MACOS, ONE, TWO, WINDOWS } from './recorded.ts'
import { DEVICES, Sysfs } from './sysfs.ts'

/** As a system that has no sysfs, or none here. */
const on = (platform: NodeJS.Platform, list: readonly ListedPort[], fingerprints = DEFAULT_FINGERPRINTS) =>
  listDongles(fingerprints, { platform, sysfs: '/nonexistent', list: async () => list })

t.test('When Linux lists its ports, then the dongles among them are found, by number', async t => {
  t.strictSame(await on('linux', LINUX), [
    { path: '/dev/ttyACM2', serial: ONE, ids: IDS, manufacturer: 'Claviger' },
    { path: '/dev/ttyACM10', serial: TWO, ids: IDS, manufacturer: 'Claviger' },
  ])
})

t.test(
  'When Windows lists its ports, then COM10 is named as it is opened, and large digits are the same',
  async t => {
    t.strictSame(await on('win32', WINDOWS), [
      {
        path: 'COM7',
        serial: null,
        ids: IDS,
        manufacturer: 'Microsoft',
        location: '0000.0014.0000.002.004.000.000.000.000',
      },
      {
        path: 'COM10',
        serial: ONE,
        ids: IDS,
        manufacturer: 'Microsoft',
        location: 'Port_#0002.Hub_#0001',
      },
    ])
    const large = [{ path: 'COM4', vendorId: '1D50', productId: '60FE', serialNumber: TWO.toUpperCase() }]
    const [found] = await on('win32', large, [{ vendorId: 0x1d50, productId: 0x60fe }])
    t.equal(found?.serial, TWO)
  },
)

t.test('When macOS lists its ports, then the side that does not wait for a carrier is taken', async t => {
  t.strictSame(await on('darwin', MACOS), [
    {
      path: '/dev/cu.usbmodem1101',
      serial: ONE,
      ids: IDS,
      manufacturer: 'Claviger',
      location: '01100000',
    },
  ])
})

t.test('When Linux shows its devices in sysfs, then no list is asked for, and hubs lend no ids', async t => {
  const root = t.testdir({})
  const sysfs = new Sysfs(root, DEVICES)
  const sources = { platform: 'linux' as const, sysfs: root, list: () => Promise.reject(new Error('asked')) }
  t.strictSame(await listDongles(DEFAULT_FINGERPRINTS, sources), [
    { path: '/dev/ttyACM2', serial: ONE, ids: IDS, manufacturer: 'Claviger', location: '1-2.4' },
    { path: '/dev/ttyACM10', serial: TWO, ids: IDS, location: '3-1' },
  ])
  const modem = await listDongles([{ vendorId: 0x1199, productId: 0x9079 }], sources)
  t.match(modem, [{ path: '/dev/ttyUSB0', serial: null, location: '1-2.3' }])
  t.strictSame(await listDongles([{ vendorId: 0x1d6b, productId: 0x0002 }], sources), [], 'no hub')

  // pulled out while it is read: the link is there, what it names is not
  rmSync(join(root, sysfs.pathOf(DEVICES[0]!)), { recursive: true })
  t.match(await listDongles(DEFAULT_FINGERPRINTS, sources), [{ serial: TWO }])
  // sysfs without terminals is an answer; a machine without sysfs asks, and is told what went wrong
  rmSync(join(root, 'class'), { recursive: true })
  await t.rejects(listDongles(DEFAULT_FINGERPRINTS, sources), { message: 'asked' })
  mkdirSync(join(root, 'class/tty'), { recursive: true })
  t.strictSame(await listDongles(DEFAULT_FINGERPRINTS, sources), [])
})

t.test('When this machine is asked, then it has no such dongle, or says what it cannot do', async t => {
  const ids = [{ vendorId: 0xffff, productId: 0xfffe }]
  if (process.platform === 'linux') t.strictSame(await listDongles(ids), [])
  // serialport starts a program of udev
  const { PATH } = process.env
  process.env.PATH = '/nonexistent'
  await t.rejects(listDongles(ids, { platform: 'linux', sysfs: '/nonexistent' }), { code: 'ENOENT' })
  process.env.PATH = PATH
})

t.test('When a device says anything of itself, then nothing that is not text reaches a terminal', async t => {
  const hostile = '\x1b]0;pwned\x07\u202e\u009b31m'
  const [found] = await on('linux', [
    {
      path: '/dev/ttyACM0',
      vendorId: '1209',
      productId: '0001',
      serialNumber: `${ONE}\x1b[2J`,
      manufacturer: hostile + 'x'.repeat(1000),
      locationId: hostile,
    },
  ])
  t.equal(found?.serial, null)
  t.match(found?.manufacturer, /^[\x20-\x7e]{1,64}$/)
  t.equal(found?.location, ']0;pwned 31m')
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 1, max: 80 }), (text, longest) =>
      new RegExp(`^[\\x20-\\x7e]{0,${longest}}$`).test(plainText(text, longest)),
    ),
  )
  for (const told of [undefined, null, '', '7&2a&0', `${ONE}0`, ONE.slice(1), `${ONE}\n${ONE}`])
    t.equal(serialOf(told), null)
  t.equal(serialOf(` ${TWO.toUpperCase()}\n`), TWO)
})

t.test('When ids are configured, then each text is one of them or refused', t => {
  const id = fc.integer({ min: 0, max: 0xffff })
  const ids = fc.record({ vendorId: id, productId: id }, { noNullPrototype: true })
  fc.assert(
    fc.property(fc.uniqueArray(ids, { selector: formatUsbIds }), fc.boolean(), (table, large) => {
      const texts = table.map(one => (large ? formatUsbIds(one).toUpperCase() : formatUsbIds(one)))
      t.strictSame(parseFingerprints([...texts, ...texts]), table)
      for (const { vendorId, productId } of table) {
        const [vendor, product] = formatUsbIds({ vendorId, productId }).split(':')
        t.ok(isDongle({ vendorId, productId }, table))
        t.ok(isDongle({ vendorId: `0x${vendor}`, productId: product?.toUpperCase() }, table))
      }
    }),
    { numRuns: 50 },
  )
  fc.assert(
    fc.property(fc.string(), text => {
      const parsed = parseFingerprints([text])
      return /^[0-9a-f]{4}:[0-9a-f]{4}$/i.test(text)
        ? Array.isArray(parsed)
        : 'bad' in parsed && parsed.bad === text
    }),
  )
  for (const bad of ['1209', '1209:1', '1209:00010', ' 1209:0001', '1209-0001', '12g9:0001'])
    t.strictSame(parseFingerprints(['1209:0002', bad]), { bad })
  t.equal(isDongle({ vendorId: '1209' }, DEFAULT_FINGERPRINTS), false)
  t.equal(isDongle(IDS, []), false)
  for (const vendorId of ['', '12345', 'xyz', -1, 0x1_0000, 1.5, Number.NaN])
    t.equal(usbIdsOf({ vendorId, productId: '0001' }), null, String(vendorId))
  t.end()
})
