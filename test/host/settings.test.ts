/** `settings.json`: what may be in it, and what a person is told about the rest. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { ConnectionError } from '../../host-agent/client/errors.ts'
import { isShopOrigin } from '../../host-agent/client/page-settings.ts'
import { DEFAULT_SETTINGS, parseSettings, readSettings, readShops } from '../../host-agent/client/settings.ts'
import { formatUsbIds, TEST_USB_IDS } from '../../protocol/link/usb-identity.ts'

const PAGE = { port: 7119, shops: [], clearAfter: 30 }

t.test('When there is no file, then the defaults are so', async t => {
  t.strictSame(await readSettings(t.testdir({})), DEFAULT_SETTINGS)
  t.strictSame(await readSettings('/nonexistent'), DEFAULT_SETTINGS)
  t.strictSame(DEFAULT_SETTINGS, { usb: [TEST_USB_IDS], ports: [], browse: false, page: PAGE })
  t.strictSame(parseSettings('{}', 'x'), DEFAULT_SETTINGS)
})

t.test('When there is a file, then it says what is looked for', async t => {
  const directory = t.testdir({
    'settings.json': JSON.stringify({
      usb: ['1209:0001', '1D50:60fe', '1209:0001'],
      ports: ['/dev/ttyS0', 'unix:/run/line.sock', 'COM12', '/dev/ttyS0'],
      browse: true,
      page: {
        shops: ['https://shop.example', 'http://localhost:8080', 'https://shop.example'],
        mapping: 'shop.json',
      },
    }),
  })
  t.strictSame(await readSettings(directory), {
    usb: [TEST_USB_IDS, { vendorId: 0x1d50, productId: 0x60fe }],
    ports: ['/dev/ttyS0', 'unix:/run/line.sock', 'COM12'],
    browse: true,
    page: { ...PAGE, shops: ['https://shop.example', 'http://localhost:8080'], mapping: 'shop.json' },
  })
  const machine = join(t.testdirName, 'machine.json')
  writeFileSync(machine, '{"page":{"shops":["https://shop.example","https://other.example:8443"],"port":1}}')
  const shops = ['https://shop.example', 'http://localhost:8080', 'https://other.example:8443']
  t.strictSame(await readShops(directory, machine), shops, "the machine's administrator adds shops")
  writeFileSync(machine, '{"page":{"shops":["*"]}}')
  await t.rejects(readShops(directory, machine), { code: 'bad-profile', message: /machine\.json/ })
  t.strictSame(await readShops(directory, '/nonexistent'), shops.slice(0, 2))
})

t.test('When a text is no origin of a shop, then no header ever holds it', t => {
  for (const origin of [
    'https://shop.example',
    'https://a-b.c:8443',
    'http://127.0.0.1:1',
    'http://x.localhost',
  ])
    t.ok(isShopOrigin(origin), origin)
  const wrong = [
    'https://shop.example/',
    'http://shop.example',
    'https://*.example',
    '*',
    'null',
    "'self'",
    '',
  ]
  wrong.push('https://a;b', 'https://a,b', 'https://a b', 'https://A.example', 'https://shop.example:443')
  wrong.push(
    'https://user@shop.example',
    'https://shop.example:99999',
    'https://shop.example?x',
    'data:',
    'https://',
  )
  wrong.push('https://shop.example\n', 'https://1', `https://${'a'.repeat(400)}.example`)
  for (const text of wrong) t.notOk(isShopOrigin(text), text)
  const near = fc.array(
    fc.constantFrom('https://', 'a', '.', ':', '1', ';', "'", ' ', '*', '\n', '@', '/', '%'),
  )
  const text = fc.oneof(
    fc.string(),
    near.map(parts => parts.join('')),
  )
  const isSafe = (text: string) => !isShopOrigin(text) || /^https?:\/\/[a-z0-9.:-]+$/.test(text)
  fc.assert(fc.property(text, isSafe), { numRuns: 2000 })
  t.end()
})

t.test('When the file is wrong, then file and field are named, with a next step', async t => {
  const wrong: [text: string, named: RegExp][] = [
    ['', /not JSON/],
    ['{"usb":["1209:0001"],}', /not JSON/],
    ['[]', /not a JSON object/],
    ['null', /not a JSON object/],
    ['"usb"', /not a JSON object/],
    ['{"usb":"1209:0001"}', /"usb" is not a list/],
    ['{"usb":[4617]}', /"usb" is not a list/],
    ['{"usb":["1209:0001","1209"]}', /"usb" has an entry/],
    [JSON.stringify({ usb: Array(33).fill('1209:0001') }), /"usb" is not a list of at most 32/],
    ['{"ports":{}}', /"ports" is not a list/],
    ['{"ports":["ttyACM0"]}', /"ports" has an entry/],
    ['{"ports":["unix:line.sock"]}', /"ports" has an entry/],
    ['{"ports":[""]}', /"ports" has an entry/],
    ['{"ports":["/dev/tty\\u001b[2J"]}', /"ports" has an entry/],
    [JSON.stringify({ ports: [`/${'x'.repeat(1024)}`] }), /"ports" has an entry/],
    ['{"browse":"yes"}', /"browse" is neither/],
    ['{"browse":null}', /"browse" is neither/],
    ['{"source":7}', /"source" is no source of keys/],
    ['{"source":""}', /"source" is no source of keys/],
    ['{"source":"local:\\u001b[2J"}', /"source" is no source of keys/],
    ['{"page":[]}', /"page" is not an object/],
    ['{"page":{"prot":1}}', /"page" has no setting "prot"/],
    ['{"page":{"port":0}}', /"page.port" is no number/],
    ['{"page":{"clearAfter":"30"}}', /"page.clearAfter" is no number/],
    ['{"page":{"clearAfter":86400}}', /"page.clearAfter" is no number/],
    ['{"page":{"shops":"https://shop.example"}}', /"page.shops" is not a list/],
    ['{"page":{"shops":["shop.example"]}}', /"page.shops" has an entry/],
    ['{"page":{"mapping":"a\\u001b[2J"}}', /"page.mapping" is no path/],
    ['{"brwose":true}', /"brwose" is not a setting/],
    ['{"__proto__":{"browse":true}}', /"__proto__" is not a setting/],
    ['{"\\u001b[2Jusb":[]}', /"\[2Jusb" is not a setting/],
  ]
  for (const [text, named] of wrong) {
    const directory = t.testdir({ 'settings.json': text })
    await t.rejects(
      readSettings(directory),
      { code: 'bad-profile', message: named, hint: /\w/ },
      `${text.slice(0, 40)}`,
    )
    await t.rejects(readSettings(directory), { message: /settings\.json/ })
  }
  const directory = t.testdir({})
  mkdirSync(join(directory, 'settings.json'))
  await t.rejects(readSettings(directory), { code: 'bad-profile', message: /cannot be read/ })
  writeFileSync(join(directory, 'file'), '{}')
  await t.rejects(
    readSettings(join(directory, 'file')),
    { message: /cannot be read/ },
    'not taken for no file',
  )
})

t.test('When any settings are written, then they are read as they are; any other text is refused', t => {
  const id = fc.integer({ min: 0, max: 0xffff })
  const ids = fc.record({ vendorId: id, productId: id }, { noNullPrototype: true })
  const word = fc.string({
    unit: fc.constantFrom('a', 'Z', '0', '-', '.', '/', ':', 'ü', ' '),
    maxLength: 20,
  })
  const port = fc.oneof(
    word.map(text => `/${text}`),
    word.map(text => `unix:/${text}`),
    fc.integer({ min: 1, max: 256 }).map(number => `COM${number}`),
  )
  const settings = fc.record(
    {
      usb: fc.uniqueArray(ids, { selector: formatUsbIds, maxLength: 32 }),
      ports: fc.uniqueArray(port, { maxLength: 32 }),
      browse: fc.boolean(),
    },
    { requiredKeys: [], noNullPrototype: true },
  )
  fc.assert(
    fc.property(settings, value => {
      const text = JSON.stringify({ ...value, ...(value.usb ? { usb: value.usb.map(formatUsbIds) } : {}) })
      t.strictSame(parseSettings(text, 'x'), { ...DEFAULT_SETTINGS, ...value })
    }),
    { numRuns: 60 },
  )
  const any = fc.oneof(
    fc.string(),
    fc.json(),
    fc
      .dictionary(fc.constantFrom('usb', 'ports', 'browse', 'x'), fc.jsonValue())
      .map(value => JSON.stringify(value)),
  )
  fc.assert(
    fc.property(any, text => {
      try {
        const { usb, ports, browse } = parseSettings(text, 'x')
        return Array.isArray(usb) && Array.isArray(ports) && typeof browse === 'boolean'
      } catch (error) {
        return error instanceof ConnectionError && /^[^\p{C}]*$/u.test(error.message)
      }
    }),
  )
  t.end()
})
