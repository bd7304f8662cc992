/** What the host sees of the gadget, and what the set-up step does to it. */
import { readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { SerialPort } from 'serialport'
import t from 'tap'
import { usb } from 'usb'
import { openTerminal } from '../../../appliance/gate/gadget-terminal.ts'
import { loadDeviceIdentity } from '../../../appliance/gate/identity.ts'
import { deviceSerial } from '../../../protocol/identity/device-serial.ts'
import { USB_STRINGS } from '../../../protocol/link/usb-identity.ts'
import { temporaryDirectory } from '../../support/appliance.ts'
import { attribute, controller, DEVICE, gadget, HOST, hostTerminal, plug, run, unplug } from './cable.ts'

/** What makes a terminal raw, as stty names it. */
const RAW = ['-opost', '-icanon', '-echo', '-isig', '-iexten', '-icrnl', '-ixon', 'cs8']

/** Ms; a guest that hangs shall say where. */
const LIMIT = { timeout: 4 * 60_000 }

await t.test('the gadget', LIMIT, async t => {
  const directory = await temporaryDirectory()
  t.teardown(directory.remove)
  const { pin } = await loadDeviceIdentity(directory.path)
  const serial = deviceSerial(pin)
  const up = (...args: string[]) => gadget('up', '--identity', directory.path, ...args)
  t.teardown(() => gadget('down'))

  await t.test('When there is no such controller, then it says which there is', async t => {
    const { code, said } = await up('--udc', 'dwc2.0')
    t.equal(code, 1)
    t.match(said, `there is no USB device controller dwc2.0\nhint: there is ${controller()}`)
  })

  await t.test('When it is set up, then the host sees our ids, strings and serial number', async t => {
    const { code, said } = await up()
    t.equal(code, 0, said)
    t.match(said, 'warning: 1209:0001 is for tests only')
    t.match(said, `set up: ${DEVICE} on ${controller()}, serial number ${serial}`)
    await hostTerminal()
    await sleep(1000)
    const seen = (await usb.getDevices()).filter(({ vendorId }) => vendorId === 0x1209)
    t.match(seen, [
      {
        vendorId: 0x1209,
        productId: 1,
        serialNumber: serial,
        productName: USB_STRINGS.product,
        manufacturerName: USB_STRINGS.manufacturer,
        usbVersionMajor: 2,
        deviceClass: 0xef,
        deviceSubclass: 2,
        deviceProtocol: 1,
      },
    ])
    const port = (await SerialPort.list()).find(({ path }) => path === HOST)
    t.match(port, { vendorId: '1209', productId: '0001', serialNumber: serial, manufacturer: 'Claviger' })
    const name = `usb-Claviger_Claviger_key_${serial}-if00`
    t.equal(port?.pnpId, name)
    t.equal(readlinkSync(`/dev/serial/by-id/${name}`), '../../ttyACM0')
  })

  await t.test('When our udev rule is installed, then ModemManager is told to stay away', async t => {
    const { said } = await run('udevadm', ['info', '-q', 'all', '-n', HOST])
    t.match(said, 'E: ID_MM_DEVICE_IGNORE=1')
    t.match(said, `S: claviger/${serial}`)
    t.match(said, 'uaccess')
  })

  await t.test('When it is set up, then its terminal is raw, and stays so over a replug', async t => {
    const settings = async () => (await run('sh', ['-c', `stty -a <${DEVICE}`])).said.split(/[\s;]+/)
    for (let round = 0; round < 2; round++) {
      const found = await settings()
      t.same(
        RAW.filter(flag => !found.includes(flag)),
        [],
      )
      unplug()
      await hostTerminal(false)
      plug()
      await hostTerminal()
    }
  })

  await t.test('When it is set up again, then the line is not cut', async t => {
    const port = await openTerminal(DEVICE)
    let cut = false
    port.stream.resume().once('close', () => {
      cut = true
    })
    const { code, said } = await up()
    t.equal(code, 0)
    t.match(said, 'unchanged')
    await sleep(300)
    t.notOk(cut)
    await port.close()
  })

  await t.test('When the ids change, then the host sees another device', async t => {
    const { said } = await up('--ids', '1209:0a0b')
    t.match(said, 'set up')
    t.notMatch(said, 'warning')
    await hostTerminal()
    await sleep(500)
    const seen = (await usb.getDevices()).map(({ vendorId, productId }) => [vendorId, productId])
    t.same(
      seen.filter(([vendor]) => vendor === 0x1209),
      [[0x1209, 0x0a0b]],
    )
    t.equal(attribute('idProduct'), '0x0a0b')
  })

  await t.test(
    'When a program holds its terminal, then it is not taken away but the program named',
    async t => {
      const port = await openTerminal(DEVICE)
      // nobody reads it, so nobody sees it hang up
      const { code, said } = await gadget('down')
      t.equal(code, 1)
      t.match(said, `${DEVICE} is open in`)
      t.match(said, `(${process.pid})`)
      await port.close()
    },
  )

  await t.test(
    'When it is taken down, then nothing is left; and a second time there is nothing to do',
    async t => {
      t.match(await gadget('down'), { code: 0, said: 'the gadget is gone' })
      await hostTerminal(false)
      t.throws(() => attribute('UDC'), { code: 'ENOENT' })
      t.match(await gadget('down'), { code: 0, said: 'there was no gadget' })
    },
  )
})
