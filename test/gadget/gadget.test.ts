/** Setting up the gadget and taking it down, on a model of the kernel: from every half-made state, and once too often. */
import fc from 'fast-check'
import t from 'tap'
import { bcdDevice, type Description, gadgetItems } from '../../appliance/gadget/description.ts'
import { down, up } from '../../appliance/gadget/gadget.ts'
import { setUp } from '../../appliance/gadget/steps.ts'
import { deviceSerial } from '../../protocol/identity/device-serial.ts'
import { TEST_USB_IDS } from '../../protocol/link/usb-identity.ts'
import { ModelKernel } from './model-kernel.ts'

const DESCRIPTION: Description = {
  ids: TEST_USB_IDS,
  serialNumber: deviceSerial(Buffer.alloc(32, 0xab)),
  version: '0.1.0',
}
const OTHER: Description = { ...DESCRIPTION, ids: { vendorId: 0x1234, productId: 0xabcd }, version: '1.2.3' }

/** What happened to the terminal and the controller, in order. */
function setting(kernel: ModelKernel) {
  const events: string[] = []
  return {
    events,
    options: {
      kernel,
      makeRaw: async (terminal: string) => {
        events.push(`raw ${terminal} while bound to "${kernel.bound}"`)
      },
    },
  }
}

const nobody = { holders: async () => [], sleep: async () => {} }

t.test(
  'When it is set up, then everything is as described, and bound last, after the terminal is raw',
  async t => {
    const kernel = new ModelKernel()
    const { events, options } = setting(kernel)
    t.same(await up(DESCRIPTION, options), { controller: 'dwc2.0', terminal: '/dev/ttyGS0', changed: true })
    t.same(events, ['raw /dev/ttyGS0 while bound to ""'])
    t.same(kernel.done.at(-1), { do: 'write', path: 'UDC', value: 'dwc2.0' })
    t.match(Object.fromEntries(kernel.attributes), {
      idVendor: '0x1209',
      idProduct: '0x0001',
      bcdDevice: '0x0010',
      bcdUSB: '0x0200',
      bDeviceClass: '0xef',
      'strings/0x409/serialnumber': 'abababababababab',
      'strings/0x409/manufacturer': 'Claviger',
      'configs/c.1/MaxPower': '500',
    })
    const steps = kernel.done.length
    t.match(await up(DESCRIPTION, options), { changed: false })
    t.equal(kernel.done.length, steps, 'a second time nothing is touched')
    t.equal(events.length, 1)
  },
)

t.test(
  'When the description changes, then the host sees the device go before it comes back as another',
  async t => {
    const kernel = new ModelKernel()
    const { events, options } = setting(kernel)
    await up(DESCRIPTION, options)
    const before = kernel.done.length
    await up(OTHER, options)
    const steps = kernel.done.slice(before)
    t.same(steps[0], { do: 'write', path: 'UDC', value: '' })
    t.same(steps.at(-1), { do: 'write', path: 'UDC', value: 'dwc2.0' })
    t.same(
      steps
        .slice(1, -1)
        .map(({ path }) => path)
        .sort(),
      ['bcdDevice', 'idProduct', 'idVendor'],
    )
    t.equal(events.length, 2)
  },
)

t.test('Whenever the power fails, then the next time it is whole, or gone', async t => {
  const holds = fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ what: fc.constantFrom('up', 'other', 'down'), steps: fc.nat(25) }), {
        maxLength: 6,
      }),
      fc.constantFrom('up', 'other', 'down'),
      async (failures, last) => {
        const kernel = new ModelKernel()
        const { options } = setting(kernel)
        const act = (what: string) =>
          what === 'down' ? down({ kernel, ...nobody }) : up(what === 'up' ? DESCRIPTION : OTHER, options)
        for (const { what, steps } of failures) {
          kernel.powerFor = steps
          await act(what).catch(error => {
            if (error.message !== 'the power failed') throw error
          })
          // the kernel forgets a gadget when the power fails; a process that is killed leaves it as it is
        }
        kernel.powerFor = Number.POSITIVE_INFINITY
        await act(last)
        if (last === 'down') {
          return kernel.directories.size + kernel.attributes.size + kernel.links.size === 0
        }
        const items = gadgetItems(last === 'up' ? DESCRIPTION : OTHER)
        return kernel.bound === 'dwc2.0' && setUp(items, await kernel.look()).length === 0
      },
    ),
    { numRuns: 500 },
  )
  await t.resolves(holds)
})

t.test('When the controller is missing, unclear or taken, then it says so and what to do', async t => {
  const rows: [kernel: ModelKernel, controller: string | undefined, message: RegExp, hint: RegExp][] = [
    [new ModelKernel([]), undefined, /has no USB device controller/, /is dwc2 loaded/],
    [new ModelKernel(['a', 'b']), undefined, /2 USB device controllers/, /one of a, b with --udc/],
    [new ModelKernel(['a', 'b']), 'c', /no USB device controller c/, /there is a, b/],
    [Object.assign(new ModelKernel(), { taken: ['dwc2.0'] }), undefined, /dwc2.0 is taken/, /unbind that/],
    [
      Object.assign(new ModelKernel(), { offersGadgets: async () => false }),
      undefined,
      /no USB gadgets/,
      /libcomposite/,
    ],
  ]
  for (const [kernel, controller, message, hint] of rows) {
    const { options } = setting(kernel)
    await t.rejects(up(DESCRIPTION, { ...options, controller }), { message, hint })
    t.equal(kernel.bound, '')
  }
  const two = new ModelKernel(['a', 'b'])
  t.match(await up(DESCRIPTION, { ...setting(two).options, controller: 'b' }), { controller: 'b' })
})

t.test(
  'When a program holds the terminal, then it is given time to close it, and is named if it does not',
  async t => {
    const kernel = new ModelKernel()
    await up(DESCRIPTION, setting(kernel).options)
    let looks = 0
    const waits: number[] = []
    const sleep = async (ms: number) => waits.push(ms)
    t.notOk(await down({ kernel: new ModelKernel(), holders: async () => ['never asked'], sleep }))
    await t.rejects(down({ kernel, sleep, holders: async () => ['cat (7)', 'node (8)'] }), {
      message: '/dev/ttyGS0 is open in cat (7), node (8)',
      hint: /end that first/,
    })
    t.equal(kernel.bound, '', 'the host sees it no more')
    t.equal(kernel.terminal, '0', 'and the function is still there')
    t.ok(waits.reduce((sum, ms) => sum + ms, 0) >= 5_000)
    t.ok(await down({ kernel, sleep, holders: async () => (++looks < 3 ? ['node (8)'] : []) }))
    t.equal(kernel.directories.size, 0)
  },
)

t.test('A version becomes a binary coded decimal', async t => {
  const rows = {
    '0.1.0': 0x0010,
    '1.2.3': 0x0123,
    '12.3.4-rc.1': 0x1234,
    '1.10.12': 0x0199,
    '100.0.0': 0x9900,
  }
  for (const [version, bcd] of Object.entries(rows)) t.equal(bcdDevice(version), bcd, version)
})
