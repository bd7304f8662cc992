/**
 * The appliance answers its LAN and nobody else. Three defences stand one behind the other: the packet filter, one hop for what
 * leaves, and the service's own check at accept. docs/lan.md, "Three defences".
 */
import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { APPLIANCE, type Captured, needNamespaces, PORT, TILL } from './namespaces.ts'
import { ANSWERED, clientOn, firewallOf, load, operate, outcome, UNREACHABLE } from './operating.ts'

t.setTimeout(120_000)

const NOTHING: Captured = { packets: 0, payload: 0, synAcks: 0, resets: 0 }
/** Prefixes that the router has no right to advertise: one of the internet, one of nobody's own network. */
const ROGUE = ['2001:db8:bad:1::', 'fd66:bad:bad:1::']

const MASQUERADE = `table ip hide {
  chain out {
    type nat hook postrouting priority srcnat;
    oifname "lan0" masquerade
  }
}
`

if (needNamespaces(t)) await run()

async function run(): Promise<void> {
  const operating = await operate(t, 'def')
  const { shop } = operating
  const till = clientOn(operating, 'till')
  const outside = clientOn(operating, 'outside')
  const { filter, hops } = firewallOf(operating)
  const [link = ''] = shop.addresses6('appliance', 'eth0', 'link')

  /** What came back to the outside while it did this. */
  const during = async (run: () => Promise<unknown>): Promise<Captured> => {
    const stop = await shop.capture('outside')
    await run()
    return stop()
  }
  const asOneself = () => outside({ host: APPLIANCE })
  const spoofing = () => shop.packets('outside', 'spoof', TILL, APPLIANCE, String(PORT))
  /** Does it while the router is a gateway that says that it asks itself. */
  const hidden = async <T>(run: () => Promise<T>): Promise<T> => {
    shop.sh('router', 'nft -f -', MASQUERADE)
    try {
      return await run()
    } finally {
      shop.sh('router', 'nft delete table ip hide')
    }
  }
  const heardOnLan = async (t: Test) => {
    t.same(outcome(await till({ host: APPLIANCE })), ANSWERED, 'the till decrypts over IPv4')
    t.same(outcome(await till({ host: `${link}%eth0` })), ANSWERED, 'and over IPv6')
  }

  t.test('When nothing stands, then there is a way from the outside and back', async t => {
    const { stop, ask } = await careless()
    t.equal(await ask('outside'), 'welcome')
    stop()
  })

  t.test('When all defences stand, then the LAN is served and the outside gets not one packet', async t => {
    load(operating, filter, hops)
    await heardOnLan(t)
    const both = async () => {
      const [asked] = await Promise.all([asOneself(), spoofing()])
      t.same(outcome(asked), UNREACHABLE)
    }
    t.same(await during(both), NOTHING, 'as itself, and in the name of the till')
    t.same(
      await during(() => hidden(async () => t.same(outcome(await asOneself()), UNREACHABLE))),
      NOTHING,
      'behind a gateway that hides it: the answer ends there',
    )
    t.same(
      await scanned(),
      { open: [PORT], closed: 0 },
      'a scan from the LAN sees one port, and no others at all',
    )
  })

  t.test('When only the service itself checks, then the outside gets no byte', async t => {
    load(operating)
    await heardOnLan(t)
    const seen = await during(async () => t.same(outcome(await asOneself()), UNREACHABLE))
    t.equal(seen.payload, 0)
    t.ok(seen.synAcks > 0 && seen.resets > 0, 'the kernel greets it, and the service hangs up')
    const stop = await shop.capture('till')
    t.same(await during(spoofing), NOTHING, 'in the name of the till')
    t.match(await stop(), { synAcks: 10, payload: 0 }, 'whom the answers go to, and nothing else')
    t.match(await scanned(), { open: [PORT], closed: 65_534 }, 'a scan from the LAN sees one port')
  })

  t.test(
    'When only the service itself checks, then it cannot tell who asks through a gateway on the LAN',
    async t => {
      const seen = await during(() => hidden(async () => t.same(outcome(await asOneself()), ANSWERED)))
      t.ok(seen.payload > 0, 'the outside is answered: this is what the one hop is for')
    },
  )

  t.test('When only the hops are limited, then no answer gets past a router or a gateway', async t => {
    load(operating, hops)
    await heardOnLan(t)
    t.same(await during(() => hidden(async () => t.same(outcome(await asOneself()), UNREACHABLE))), NOTHING)
    // The service would refuse the next one by itself; this server would not.
    const { stop, ask } = await careless()
    t.equal(await ask('till'), 'welcome')
    t.equal(await ask('outside'), 'nothing')
    stop()
  })

  t.test('When only the packet filter stands, then a careless server is as safe as ours', async t => {
    load(operating, filter.replaceAll(String(PORT), '9000'))
    const { stop, ask } = await careless()
    t.equal(await ask('till'), 'welcome')
    const told = await during(async () => t.equal(await ask('outside'), 'nothing'))
    t.same(told, NOTHING)
    stop()
  })

  t.test(
    'When a router advertises prefixes, then who comes with one of them is outside all the same',
    async t => {
      const asker = (prefix: string) => `${prefix}9`
      shop.sh(
        'router',
        'ip -6 addr add 2001:db8:ffff::1/64 dev wan0; sysctl -qw net.ipv6.conf.all.proxy_ndp=1',
      )
      shop.sh(
        'outside',
        'ip -6 addr add 2001:db8:ffff::9/64 dev eth0; ip -6 route add default via 2001:db8:ffff::1',
      )
      for (const prefix of ROGUE) {
        shop.sh(
          'router',
          `ip -6 route add ${asker(prefix)}/128 via 2001:db8:ffff::9; ip -6 route add ${prefix}/64 dev lan0`,
        )
        shop.sh('router', `ip -6 neigh add proxy ${asker(prefix)} dev lan0`)
        shop.sh('outside', `ip -6 addr add ${asker(prefix)}/128 dev eth0`)
      }
      const advertise = () => shop.packets('router', 'advertise', 'lan0', ...ROGUE)

      load(operating, filter, hops)
      await advertise()
      t.same(shop.addresses6('appliance', 'eth0', 'global'), [], 'the packet filter lets no advertisement in')

      load(operating)
      await advertise()
      const made = shop.addresses6('appliance', 'eth0', 'global')
      t.equal(made.length, 2, 'without it the kernel believes it')
      // The service looks for new addresses every second.
      await pause(1500)
      shop.sh('outside', made.map(address => `ping -6 -c 1 -W 2 ${address} || true`).join(';'))
      const seen = await during(async () => {
        for (const address of made) t.same(outcome(await outside({ host: address })), UNREACHABLE)
      })
      t.equal(seen.payload, 0)
      t.ok(seen.packets > 0, 'though there is a way')
      t.same(outcome(await till({ host: made[0]! })), UNREACHABLE, 'nobody is served on such an address')
      await heardOnLan(t)

      load(operating, hops)
      const told = await during(() => shop.packets('outside', 'ask', made[0]!, String(PORT)))
      t.same(told, NOTHING, 'with one hop to go not even a refusal is heard')
    },
  )

  t.test('When a machine on the LAN knocks too often, then the packet filter lets few in', async t => {
    load(operating, filter, hops)
    const stop = await shop.capture('till')
    await shop.packets('till', 'flood', APPLIANCE, String(PORT), '500', '1000')
    const { synAcks } = await stop()
    t.ok(synAcks >= 100 && synAcks < 200, `${synAcks} of 500 were greeted`)
  })

  async function scanned(): Promise<{ open: number[]; closed: number }> {
    return JSON.parse(await shop.packets('till', 'scan', TILL, APPLIANCE))
  }

  /** A server on port 9000 that greets everybody. */
  async function careless() {
    const helper = new URL('./packets.py', import.meta.url).pathname
    const server = shop.spawn('appliance', 'python3', [helper, 'serve', APPLIANCE, '9000'])
    await new Promise(resolve => server.stdout!.once('data', resolve))
    return {
      stop: () => server.kill(),
      ask: async (machine: 'till' | 'outside') =>
        (await shop.packets(machine, 'ask', APPLIANCE, '9000')).trim(),
    }
  }
}
