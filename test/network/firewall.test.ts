/** The rules that belong to a `network.json`: nft takes them, and they say what they should. docs/lan.md, "The firewall". */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { parseSubnet } from '../../appliance/network/addresses.ts'
import { parseNetworkConfig } from '../../appliance/network/config.ts'
import { firewallRules } from '../../appliance/network/firewall.ts'
import { bareNode } from '../support/environment.ts'

const MAIN = fileURLToPath(new URL('../../appliance/main.ts', import.meta.url))
const rulesOf = (file: object, leased: Record<string, string[]> = {}) =>
  firewallRules(
    parseNetworkConfig(JSON.stringify(file)),
    new Map(Object.entries(leased).map(([name, subnets]) => [name, subnets.map(text => parseSubnet(text)!)])),
  )
/** The rules of one chain. */
const chainOf = (rules: string, table: string, chain: string): string => {
  const body = rules.slice(rules.indexOf(`table inet ${table} {`))
  return body.slice(
    body.indexOf(`chain ${chain} {`),
    body.indexOf('}\n', body.indexOf(`chain ${chain} {`) + 20 + chain.length),
  )
}

/** `nft --check` needs rights, but changes nothing. */
function checkWithNft(t: Test, rules: string): void {
  const { status, stderr } = spawnSync('nft', ['--check', '--file', '-'], { input: rules, encoding: 'utf8' })
  t.equal(status, 0, stderr || 'nft takes it')
}
const whyNoNft: string | false =
  process.getuid?.() !== 0
    ? 'nft needs root'
    : spawnSync('nft', ['--version']).error
      ? 'nft is not installed'
      : false
/** With `CI` set it is no reason: then it fails. */
const why = !process.env.CI && whyNoNft

const FULL = {
  interfaces: [
    { name: 'eth0' },
    { name: 'br-lan.7', subnets: ['192.168.7.0/24', 'fd12:3456:789a::/64'] },
    { name: 'wg0', kind: 'wireguard', subnets: ['10.8.0.0/24'] },
  ],
  announce: true,
  ntp: ['192.168.1.1', 'fe80::1'],
}

t.test(
  'When nothing else is asked for, then the rules let in the port from beside, and answers out',
  async t => {
    const rules = rulesOf({ interfaces: [{ name: 'eth0' }], dhcp: false }, { eth0: ['192.168.1.0/24'] })
    for (const [chain, hook] of [
      ['arriving', 'input'],
      ['passing', 'forward'],
      ['leaving', 'output'],
    ] as const)
      t.match(chainOf(rules, 'claviger', chain), new RegExp(`hook ${hook} priority filter; policy drop;`))
    t.match(rules, /set leased_eth0 \{[^}]*elements = \{ 192\.168\.1\.0\/24 \}/)
    const accepted = chainOf(rules, 'claviger', 'arriving').match(/.*(?:accept|jump knock)$/gm)
    t.same(
      accepted?.map(rule => rule.trim().replace(/ ip saddr \{[^}]*\}/, ' PRIVATE')),
      [
        'iif lo accept',
        'iifname { "eth0" } ct state established accept',
        'iifname "eth0" ip saddr @leased_eth0 PRIVATE tcp dport 8443 tcp flags & (fin | syn | rst | ack) == syn ct state new jump knock',
        'iifname "eth0" ip saddr @leased_eth0 PRIVATE icmp type echo-request limit rate 5/second burst 10 packets accept',
        'iifname "eth0" ip6 saddr { fe80::/10 } tcp dport 8443 tcp flags & (fin | syn | rst | ack) == syn ct state new jump knock',
        'iifname "eth0" ip6 saddr { fe80::/10 } icmpv6 type echo-request limit rate 5/second burst 10 packets accept',
        'iifname { "eth0" } icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept',
        'iifname { "eth0" } icmpv6 type mld-listener-query ip6 saddr fe80::/10 accept',
      ],
    )
    t.same(
      chainOf(rules, 'claviger', 'leaving')
        .match(/.*accept$/gm)
        ?.map(rule => rule.trim()),
      [
        'oif lo accept',
        'oifname { "eth0" } ct state established accept',
        'oifname { "eth0" } icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, mld2-listener-report } accept',
      ],
    )
    t.notMatch(rules, /router-advert/, 'advertisements of routers stay outside')
  },
)

t.test('When more is asked for, then exactly that is let through', async t => {
  const rules = rulesOf(FULL)
  const arriving = chainOf(rules, 'claviger', 'arriving')
  const leaving = chainOf(rules, 'claviger', 'leaving')
  t.match(arriving, /iifname \{ "eth0", "br-lan\.7" \} udp sport 67 udp dport 68 accept/)
  t.match(arriving, 'iifname "br-lan.7" ip saddr { 192.168.7.0/24 } tcp dport 8443')
  t.match(arriving, 'iifname "br-lan.7" ip6 saddr { fe80::/10, fd12:3456:789a::/64 } tcp dport 8443')
  t.notMatch(rules, 'leased_br_lan.7', 'named subnets are all that there is')
  t.match(arriving, /"br-lan\.7" \} udp dport 51820 accept/)
  t.match(leaving, 'ip daddr 192.168.1.1 udp dport 123 accept')
  t.match(leaving, 'ip6 daddr fe80::1 udp dport 123 accept')
  t.match(leaving, 'ip daddr 224.0.0.251 udp dport 5353 accept')
  t.notMatch(rulesOf({ ...FULL, announce: false }), '5353')
})

t.test(
  'When something leaves, then with one hop to go; neighbour discovery and the tunnel itself excepted',
  async t => {
    const rules = chainOf(rulesOf(FULL), 'claviger_hops', 'leaving')
    t.same(
      rules
        .split('\n')
        .map(rule => rule.trim())
        .filter(Boolean),
      [
        'chain leaving {',
        'type filter hook output priority mangle; policy accept;',
        'oif lo accept',
        'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept',
        'ip daddr 224.0.0.251 udp dport 5353 accept',
        'udp sport 51820 accept',
        'ip ttl set 1',
        'ip6 hoplimit set 1',
      ],
    )
  },
)

const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/).filter(text => text !== 'lo')
const subnet = fc.constantFrom('192.168.1.0/24', '10.0.0.0/8', 'fd12:3456:789a::/64', '203.0.113.0/25')
const config = fc.record({
  interfaces: fc.uniqueArray(
    fc.record(
      { name, kind: fc.constantFrom('ethernet', 'wireguard'), subnets: fc.uniqueArray(subnet) },
      { requiredKeys: ['name'] },
    ),
    // Two that differ in `-` and `_` alone would share a set.
    { selector: one => one.name.replaceAll('-', '_'), minLength: 1, maxLength: 5 },
  ),
  port: fc.integer({ min: 1, max: 65_535 }),
  announce: fc.boolean(),
  dhcp: fc.boolean(),
  ntp: fc.array(fc.oneof(fc.ipV4(), fc.ipV6()), { maxLength: 8 }),
})

t.test('Whatever is configured, nft takes the rules, and takes them again', { skip: why }, async t => {
  for (const file of [FULL, ...fc.sample(config, 40)]) {
    const leased = Object.fromEntries(
      file.interfaces.map(({ name }) => [name, ['192.168.1.0/24', '192.168.1.128/25', 'fe80::/10']]),
    )
    const rules = rulesOf(file, leased)
    checkWithNft(t, rules + rules)
  }
})

t.test('When they are asked for at the command line, then they are printed', async t => {
  const directory = t.testdir({
    'network.json': JSON.stringify({ interfaces: [{ name: 'none0' }], port: 9443 }),
  })
  const print = (...args: string[]) => {
    const [command, argv] = bareNode(MAIN, 'firewall', ...args)
    return spawnSync(command, argv, { encoding: 'utf8' })
  }
  const file = join(directory, 'network.json')
  const { status, stdout } = print('--network', file)
  t.equal(status, 0)
  t.equal(stdout, rulesOf({ interfaces: [{ name: 'none0' }], port: 9443 }, { none0: [] }))
  writeFileSync(file, '{"interfaces":[{"name":"lo"}]}')
  const wrong = print('--network', file)
  t.equal(wrong.status, 1)
  t.equal(wrong.stdout, '', 'and not half of them')
  t.equal(wrong.stderr, 'claviger-appliance: network.json: interface 1: "lo" is not a LAN\n')
  t.equal(print().status, 2)

  const [command, argv] = bareNode(MAIN, '--data', join(directory, 'data'), '--network', file)
  const started = spawnSync(command, argv, { encoding: 'utf8' })
  t.equal(started.status, 1, 'and an appliance does not start with it')
  t.equal(started.stderr, wrong.stderr)
})
