/** Who is beside the device: the decision at accept, as a function of addresses alone. docs/lan.md, "What is LAN". */
import type { NetworkInterfaceInfo } from 'node:os'
import fc from 'fast-check'
import t from 'tap'
import { mayComeFrom, originOf } from '../../appliance/gate/lan-policy.ts'
import { formatAddress, parseAddress, parseSubnet, type Subnet } from '../../appliance/network/addresses.ts'
import { parseNetworkConfig } from '../../appliance/network/config.ts'
import { addressesAt, type Interfaces, lanAddresses } from '../../appliance/network/lan.ts'

const MAC = '02:00:00:00:00:01'
const NO_MAC = '00:00:00:00:00:00'

/** What `os.networkInterfaces()` says of an address. */
function info(cidr: string, { mac = MAC, internal = false } = {}): NetworkInterfaceInfo {
  const [address = ''] = cidr.split('/')
  const base = { address, cidr, mac, internal, netmask: '' }
  return address.includes(':') ? { ...base, family: 'IPv6', scopeid: 2 } : { ...base, family: 'IPv4' }
}

const MACHINE: Interfaces = {
  lo: [
    info('127.0.0.1/8', { mac: NO_MAC, internal: true }),
    info('::1/128', { mac: NO_MAC, internal: true }),
  ],
  eth0: [
    info('192.168.1.5/24'),
    info('203.0.113.5/24'),
    info('fe80::5/64'),
    info('fd12:3456:789a::5/64'),
    info('2001:db8::5/64'),
  ],
  eth1: [info('10.1.2.3/8'), info('fe80::5/64')],
  wg0: [info('10.8.0.2/24', { mac: NO_MAC }), info('fd00:8::2/64', { mac: NO_MAC })],
}
const interfacesOf = (interfaces: object[]) => parseNetworkConfig(JSON.stringify({ interfaces })).interfaces
const lanOf = (...interfaces: object[]) => lanAddresses(interfacesOf(interfaces), MACHINE)
const listened = (...interfaces: object[]) => lanOf(...interfaces).map(({ text }) => text)

t.test(
  'When an interface is LAN, then it is listened on with its private and its link-local address only',
  async t => {
    t.same(listened({ name: 'eth0' }), ['192.168.1.5', 'fe80::5%eth0'])
    t.same(listened({ name: 'eth1' }), ['10.1.2.3', 'fe80::5%eth1'])
    t.same(listened({ name: 'eth7' }), [], 'one that is not there, not at all')
    t.same(listened({ name: 'wg0', kind: 'wireguard' }), ['10.8.0.2'])
  },
)

t.test('When subnets are named, then these count, of the families that they are of', async t => {
  const named = { name: 'eth0', subnets: ['fd12:3456:789a::/64', '2001:db8::/64'] }
  t.same(listened(named), ['192.168.1.5', 'fe80::5%eth0', 'fd12:3456:789a::5', '2001:db8::5'])
  t.same(listened({ name: 'eth0', subnets: ['203.0.113.0/24'] }), ['203.0.113.5', 'fe80::5%eth0'])
  t.same(
    listened({ name: 'eth0', subnets: ['192.168.9.0/24'] }),
    ['fe80::5%eth0'],
    'an address outside of them does not',
  )
})

t.test('When a peer connects, then it is LAN only beside the interface that it came in on', async t => {
  const lan = lanOf({ name: 'eth0', subnets: ['fd12:3456:789a::/64'] }, { name: 'eth1' })
  const rows: [local: string, remote: string, origin: 'lan' | 'elsewhere'][] = [
    ['192.168.1.5', '192.168.1.77', 'lan'],
    ['::ffff:192.168.1.5', '::ffff:192.168.1.77', 'lan'],
    ['192.168.1.5', '192.168.2.77', 'elsewhere'],
    ['192.168.1.5', '198.51.100.9', 'elsewhere'],
    ['192.168.1.5', '10.1.2.9', 'elsewhere'],
    ['10.1.2.3', '192.168.1.77', 'elsewhere'],
    ['10.1.2.3', '10.200.0.1', 'lan'],
    ['203.0.113.5', '203.0.113.9', 'elsewhere'],
    ['fe80::5%eth0', 'fe80::9%eth0', 'lan'],
    ['fe80::5%eth1', 'fe80::9%eth1', 'lan'],
    ['fe80::5%eth0', 'fe80::9%eth1', 'elsewhere'],
    ['fe80::5%wg0', 'fe80::9%wg0', 'elsewhere'],
    ['fe80::5', 'fe80::9', 'elsewhere'],
    ['fd12:3456:789a::5', 'fd12:3456:789a::9', 'lan'],
    ['fd12:3456:789a::5', 'fd12:3456:789b::9', 'elsewhere'],
    ['fd12:3456:789a::5', 'fe80::9%eth0', 'elsewhere'],
    ['2001:db8::5', '2001:db8::9', 'elsewhere'],
    ['127.0.0.1', '127.0.0.1', 'elsewhere'],
    ['', '', 'elsewhere'],
  ]
  for (const [localAddress, remoteAddress, origin] of rows)
    t.equal(originOf({ localAddress, remoteAddress }, lan), origin, `${remoteAddress} to ${localAddress}`)
  t.equal(originOf({}, lan), 'elsewhere', 'a socket that is gone already')
})

t.test('When a router advertises whatever prefix, then nothing more is LAN', async t => {
  const configured = interfacesOf([{ name: 'eth0', subnets: ['fd12:3456:789a::/64'] }])
  const before = lanAddresses(configured, MACHINE)
  fc.assert(
    fc.property(fc.ipV6(), fc.ipV6(), fc.integer({ min: 0, max: 128 }), (made, remoteAddress, length) => {
      const outside = parseAddress(made)!
      const named = [parseSubnet('fd12:3456:789a::/64')!, parseSubnet('fe80::/10')!]
      if (outside.family === 4 || named.some(subnet => inside(subnet, made))) return true
      const eth0 = [...MACHINE.eth0!, info(`${made}/${length}`)]
      const after = lanAddresses(configured, { ...MACHINE, eth0 })
      t.same(after, before)
      return originOf({ localAddress: made, remoteAddress }, after) === 'elsewhere'
    }),
  )
})

t.test('When a lease is as wide as it likes, then who is not private is elsewhere', async t => {
  const ranges = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254.0.0/16'].map(
    text => parseSubnet(text)!,
  )
  const wide = fc.record({
    own: fc.ipV4(),
    length: fc.integer({ min: 0, max: 32 }),
    peer: fc.ipV4(),
    near: fc.boolean(),
  })
  let accepted = 0
  fc.assert(
    fc.property(wide, ({ own, length, peer, near }) => {
      const localAddress = near ? `10${own.slice(own.indexOf('.'))}` : own
      const remoteAddress = near ? `10${peer.slice(peer.indexOf('.'))}` : peer
      const lan = lanAddresses(interfacesOf([{ name: 'eth0' }]), {
        eth0: [info(`${localAddress}/${length}`)],
      })
      if (originOf({ localAddress, remoteAddress }, lan) !== 'lan') return true
      accepted++
      const same = parseAddress(localAddress)!.value ^ parseAddress(remoteAddress)!.value
      const beside = same >> BigInt(32 - length) === 0n
      return beside && ranges.some(range => inside(range, localAddress) && inside(range, remoteAddress))
    }),
    { numRuns: 2000 },
  )
  t.ok(accepted > 10, 'and some are beside it')
})

t.test('When a host is given on the command line, then its address stands for itself', async t => {
  const at = (...hosts: string[]) => addressesAt(hosts, MACHINE).map(({ text }) => text)
  t.same(at('203.0.113.5'), ['203.0.113.5'])
  t.same(at('fe80::5%eth1'), ['fe80::5%eth1'])
  t.same(at('192.168.1.6'), [], 'not one that this machine does not have')
  t.same(at('0.0.0.0'), ['127.0.0.1', '192.168.1.5', '10.1.2.3'], 'any: no tunnel, nothing public')
  t.same(at('::').length, 6, 'any of both families')
  const [local] = addressesAt(['127.0.0.1'], MACHINE)
  t.equal(originOf({ localAddress: '127.0.0.1', remoteAddress: '127.9.9.9' }, [local!]), 'lan')
  t.equal(originOf({ localAddress: '127.0.0.1', remoteAddress: '192.168.1.9' }, [local!]), 'elsewhere')
})

t.test('When an agent has a place, then it may come from there only; others from anywhere', async t => {
  const { agents } = parseNetworkConfig(
    JSON.stringify({ interfaces: [{ name: 'eth0' }], agents: { 'till-1': ['192.168.1.20', 'fd12::/64'] } }),
  )
  const till = { namespace: 'default', name: 'till-1' }
  t.ok(mayComeFrom(agents, till, '192.168.1.20'))
  t.ok(mayComeFrom(agents, till, '::ffff:192.168.1.20'))
  t.ok(mayComeFrom(agents, till, 'fd12::77'))
  t.notOk(mayComeFrom(agents, till, '192.168.1.21'))
  t.notOk(mayComeFrom(agents, till, 'no address'))
  t.ok(mayComeFrom(agents, till, undefined), 'the list is about the LAN, not about the serial line')
  t.ok(
    mayComeFrom(agents, { namespace: 'shop-a', name: 'till-1' }, '192.168.1.21'),
    'its namesake in another shop',
  )
  t.ok(mayComeFrom(agents, { namespace: 'default', name: 'till-2' }, '192.168.1.21'))
})

/** By text, so that it is not the code under test that says it. */
function inside(subnet: Subnet, text: string): boolean {
  const bits = (value: bigint) =>
    value
      .toString(2)
      .padStart(subnet.family === 4 ? 32 : 128, '0')
      .slice(0, subnet.length)
  const address = parseAddress(text)!
  return (
    address.family === subnet.family &&
    bits(address.value) === bits(parseAddress(formatAddress({ ...address, value: subnet.base }))!.value)
  )
}
