/** `network.json` and the addresses in it: what is taken, what is refused, and that nothing else happens. */
import { BlockList } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import {
  contains,
  formatAddress,
  formatSubnet,
  intersection,
  parseAddress,
  parseSubnet,
  subnetOf,
} from '../../appliance/network/addresses.ts'
import { NetworkConfigError, parseNetworkConfig } from '../../appliance/network/config.ts'

const address = fc.oneof(fc.ipV4(), fc.ipV6())
/** An address and a length that its family has. */
const prefix = address.chain(text =>
  fc.record({ text: fc.constant(text), length: fc.integer({ min: 0, max: text.includes(':') ? 128 : 32 }) }),
)
const at = (text: string) => parseAddress(text)!

t.test('When an address is read and written, then it is the same address', async t => {
  fc.assert(fc.property(address, text => at(formatAddress(at(text))).value === at(text).value))
  for (const [given, written] of [
    ['2001:0DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['::', '::'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['::ffff:192.168.1.5', '192.168.1.5'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['fe80::1%eth0', 'fe80::1'],
  ] as const)
    t.equal(formatAddress(at(given)), written, given)
  t.equal(at('fe80::1%eth0').scope, 'eth0')
  for (const none of [
    '',
    'eth0',
    '1.2.3',
    '1.2.3.256',
    '01.2.3.4',
    '::1::',
    '1:2:3:4:5:6:7:8:9',
    'fe80::1/64',
  ])
    t.equal(parseAddress(none), null, JSON.stringify(none))
})

t.test('When it is asked whether an address is in a subnet, then Node would say the same', async t => {
  fc.assert(
    fc.property(prefix, address, fc.boolean(), ({ text, length }, other, near) => {
      const subnet = subnetOf(at(text), length)!
      // An address at random is hardly ever inside.
      const asked = near ? { ...at(text), value: at(text).value ^ 1n } : at(other)
      const list = new BlockList()
      const family = (f: 4 | 6) => (f === 4 ? 'ipv4' : 'ipv6')
      list.addSubnet(formatAddress(at(text)), length, family(subnet.family))
      // Node sees an IPv4 address also in the IPv6 subnets of its mapped form; here families are apart.
      const wanted = asked.family === subnet.family && list.check(formatAddress(asked), family(asked.family))
      return contains(subnet, asked) === wanted
    }),
    { numRuns: 500 },
  )
  t.pass()
})

t.test('When a subnet is read, then only with zeros after its prefix', async t => {
  fc.assert(
    fc.property(prefix, ({ text, length }) => {
      const subnet = subnetOf(at(text), length)!
      t.same(parseSubnet(formatSubnet(subnet)), subnet)
      const exact = parseSubnet(`${formatAddress(at(text))}/${length}`)
      return (exact !== null) === (subnet.base === at(text).value)
    }),
  )
  t.same(parseSubnet('192.168.1.20'), parseSubnet('192.168.1.20/32'))
  for (const none of [
    '192.168.1.1/24',
    '10.0.0.0/33',
    'fe80::/129',
    '10.0.0.0/-1',
    '10.0.0.0/',
    '10.0.0.0/8 ',
    '/8',
    'fe80::1%eth0',
  ])
    t.equal(parseSubnet(none), null, none)
})

t.test('When two subnets overlap, then what they share is the smaller one', async t => {
  fc.assert(
    fc.property(prefix, prefix, address, (a, b, other) => {
      const [one, two] = [subnetOf(at(a.text), a.length)!, subnetOf(at(b.text), b.length)!]
      const shared = intersection(one, two)
      for (const probe of [at(other), at(a.text), at(b.text)]) {
        const inBoth = contains(one, probe) && contains(two, probe)
        if (inBoth !== (shared !== null && contains(shared, probe))) return false
      }
      return true
    }),
  )
  t.pass()
})

t.test('When the file is well-formed, then it says what it says', async t => {
  const all = parseNetworkConfig(
    JSON.stringify({
      interfaces: [
        { name: 'eth0' },
        { name: 'wg0', kind: 'wireguard', subnets: ['10.8.0.0/24', 'fd12:3456:789a::/64'], listenPort: 4500 },
      ],
      port: 443,
      announce: true,
      agents: { 'till-1': ['192.168.1.20'], 'shop-a/till-1': ['192.168.1.0/28', 'fe80::/10'] },
      ntp: ['192.168.1.1'],
      dhcp: false,
    }),
  )
  const [eth0, wg0] = all.interfaces
  t.same(eth0, { name: 'eth0', kind: 'ethernet', subnets: [], listenPort: null })
  t.same(
    { ...wg0, subnets: wg0?.subnets.map(formatSubnet) },
    {
      ...{ name: 'wg0', kind: 'wireguard', listenPort: 4500 },
      subnets: ['10.8.0.0/24', 'fd12:3456:789a::/64'],
    },
  )
  t.same(
    [...all.agents].map(([name, subnets]) => [name, subnets.map(formatSubnet)]),
    [
      ['default/till-1', ['192.168.1.20/32']],
      ['shop-a/till-1', ['192.168.1.0/28', 'fe80::/10']],
    ],
  )
  const least = parseNetworkConfig('{"interfaces":[{"name":"eth0"}]}')
  t.match(least, { port: 8443, announce: false, ntp: [], dhcp: true })
  t.equal(least.agents.size, 0)
})

t.test('When something in it cannot be, then the message says what and where', async t => {
  const eth0 = { name: 'eth0' }
  const rows: [file: unknown, message: RegExp][] = [
    [[], /the file must be a JSON object/],
    [{}, /"interfaces" must be a list of 1 to 16/],
    [{ interfaces: [] }, /"interfaces" must be a list/],
    [{ interfaces: [eth0], prot: 8443 }, /there is no "prot"/],
    [{ interfaces: [{ name: 'eth0', adress: 1 }] }, /interface 1: there is no "adress"/],
    [{ interfaces: [{}] }, /interface 1: "name" must be/],
    [{ interfaces: [{ name: 'eth0" accept' }] }, /interface 1: "name" must be/],
    [{ interfaces: [{ name: 'a-name-of-sixteen' }] }, /"name" must be/],
    [{ interfaces: [{ name: 'lo' }] }, /"lo" is not a LAN/],
    [{ interfaces: [eth0, eth0] }, /listed twice: eth0/],
    [{ interfaces: [{ ...eth0, kind: 'wifi' }] }, /"kind" must be/],
    [{ interfaces: [{ ...eth0, listenPort: 51820 }] }, /only a "wireguard"/],
    [{ interfaces: [{ ...eth0, subnets: ['192.168.1.1/24'] }] }, /is not a subnet/],
    [{ interfaces: [{ ...eth0, subnets: ['0.0.0.0/0'] }] }, /too large for a LAN/],
    [{ interfaces: [{ ...eth0, subnets: ['::/0'] }] }, /too large for a LAN/],
    [{ interfaces: [{ ...eth0, subnets: ['2001:db8::/32'] }] }, /too large for a LAN/],
    [{ interfaces: [{ ...eth0, subnets: ['127.0.0.0/8'] }] }, /cannot be the subnet of a LAN/],
    [{ interfaces: [{ ...eth0, subnets: ['fe80::/64'] }] }, /cannot be the subnet of a LAN/],
    [{ interfaces: [{ ...eth0, subnets: ['FD12:3456:789A:0::/64'] }] }, /write fd12:3456:789a::\/64/],
    [{ interfaces: [eth0], port: 0 }, /"port" must be a port/],
    [{ interfaces: [eth0], port: '8443' }, /"port" must be a port/],
    [{ interfaces: [eth0], announce: 'yes' }, /"announce" must be true or false/],
    [{ interfaces: [eth0], agents: { 'Till 1': ['10.0.0.1'] } }, /"Till 1" is not the name of an agent/],
    [{ interfaces: [eth0], agents: { till: [] } }, /agent till must be a list of 1/],
    [
      { interfaces: [eth0], agents: { till: ['10.0.0.1'], 'default/till': ['10.0.0.1'] } },
      /listed twice: default\/till/,
    ],
    [{ interfaces: [eth0], ntp: ['pool.example'] }, /"pool.example" is not an IP address/],
  ]
  for (const [file, message] of rows)
    t.throws(() => parseNetworkConfig(JSON.stringify(file)), { message }, JSON.stringify(file))
  t.throws(() => parseNetworkConfig('{'), { message: /is not JSON/ })
  t.throws(() => parseNetworkConfig(' '.repeat(65_537)), { message: /larger than 64 KiB/ })
})

t.test('When it is anything at all, then it is taken or refused, and nothing else', async t => {
  const key = fc.constantFrom(
    'interfaces',
    'port',
    'announce',
    'agents',
    'ntp',
    'dhcp',
    'name',
    'kind',
    'subnets',
    '__proto__',
  )
  const word = fc.oneof(fc.constantFrom('eth0', 'wireguard', '10.0.0.0/8', 'fe80::1%eth0'), fc.string())
  const { file } = fc.letrec(tie => ({
    file: fc.oneof(
      { maxDepth: 4 },
      fc.oneof(word, fc.integer(), fc.boolean(), fc.constant(null)),
      fc.array(tie('file'), { maxLength: 3 }),
      fc.dictionary(key, tie('file'), { maxKeys: 4 }),
    ),
  }))
  fc.assert(
    fc.property(file, value => {
      try {
        return parseNetworkConfig(JSON.stringify(value)).interfaces.length > 0
      } catch (error) {
        return error instanceof NetworkConfigError && error.message.startsWith('network.json: ')
      }
    }),
    { numRuns: 1000 },
  )
  t.pass()
})
