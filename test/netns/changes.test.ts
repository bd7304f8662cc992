/**
 * Networks change while the appliance runs: leases come late and go, and agents have their places. docs/lan.md, "What is LAN" and
 * "Agents that may come from one place only".
 */
import { readdirSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { APPLIANCE, needNamespaces, TILL } from './namespaces.ts'
import { ANSWERED, clientOn, operate, outcome, UNREACHABLE } from './operating.ts'

t.setTimeout(60_000)

const ULA = 'fd12:3456:789a:1::'
/** Where the tills stand. */
const PLACE = '192.168.77.16/28'

if (needNamespaces(t)) await run()

async function run(): Promise<void> {
  const operating = await operate(t, 'chg', {
    interfaces: [{ name: 'eth0' }, { name: 'wg0', kind: 'wireguard', subnets: ['10.8.0.0/24', `${ULA}/64`] }],
    agents: { 'till-1': [PLACE, '10.8.0.0/24', 'fe80::/10', `${ULA}/64`] },
  })
  const { shop, processes } = operating
  const till = clientOn(operating, 'till')
  const ask = async (host: string) => outcome(await till({ host }))
  /** Asks until it is as it should be, or for ten seconds: the appliance looks at its addresses every second. */
  const settled = async (wanted: object) => {
    for (let i = 0; ; i++) {
      const heard = await ask(APPLIANCE)
      if (i === 20 || isDeepStrictEqual(heard, wanted)) return heard
      await pause(500)
    }
  }

  t.test('When an agent comes from its place, then it is answered; from another, it is unknown', async t => {
    t.same(await ask(APPLIANCE), ANSWERED)
    shop.sh('till', 'ip addr add 192.168.77.99/24 dev eth0; ip addr del 192.168.77.20/24 dev eth0')
    t.same(await ask(APPLIANCE), { results: [], errors: ['unknown-agent'] })
    shop.sh('till', `ip addr add ${TILL}/24 dev eth0; ip addr del 192.168.77.99/24 dev eth0`)
    shop.sh('till', 'ip route replace default via 192.168.77.1')
    t.same(await ask(APPLIANCE), ANSWERED, 'back at its place')
  })

  t.test('When an address goes, then nothing is answered on it; when it comes, then it is', async t => {
    const other = '192.168.77.3'
    const descriptors = () => readdirSync(`/proc/${processes.pidOf('gate')}/fd`).length
    const before = descriptors()
    t.same(await ask(other), UNREACHABLE, 'before it is there')
    const come = processes.line(/answers on lan https:\/\/192\.168\.77\.3:8443/)
    shop.sh('appliance', `ip addr add ${other}/24 dev eth0`)
    await come
    t.same(await ask(other), ANSWERED, 'it came after the start')

    const connect = `import socket; s = socket.create_connection(('${other}', 8443)); print('open', flush=True); input()`
    const open = shop.spawn('till', 'python3', ['-c', connect])
    await new Promise(resolve => open.stdout!.once('data', resolve))
    const gone = processes.line(/lost lan https:\/\/192\.168\.77\.3:8443/)
    shop.sh('appliance', `ip addr del ${other}/24 dev eth0`)
    await gone
    t.equal(descriptors(), before, 'what was open to it is closed')
    t.same(await ask(APPLIANCE), ANSWERED, 'the others are as before')
  })

  t.test('When a subnet becomes smaller, then who is no longer in it is cut off', async t => {
    shop.sh('appliance', `ip addr del ${APPLIANCE}/24 dev eth0; ip addr add ${APPLIANCE}/28 dev eth0`)
    shop.sh('appliance', 'ip route add 192.168.77.0/24 dev eth0')
    t.same(await settled(UNREACHABLE), UNREACHABLE, 'beside it by cable, but not by address')
    shop.sh('appliance', `ip addr del ${APPLIANCE}/28 dev eth0; ip addr add ${APPLIANCE}/24 dev eth0`)
    t.same(await settled(ANSWERED), ANSWERED, 'and beside it again')
  })

  t.test('When a tunnel is declared as LAN, then it is one, with the subnets that were named', async t => {
    // This kernel may have no WireGuard: to the service it is an interface of that name.
    const answers = processes.line(/answers on lan https:\/\/\[fd12/)
    shop.sh('appliance', `ip link add wg0 type veth peer name wg0 netns ${shop.name('till')}`)
    shop.sh(
      'appliance',
      `ip addr add 10.8.0.1/24 dev wg0; ip addr add ${ULA}1/64 dev wg0; ip link set wg0 up`,
    )
    shop.sh('till', `ip addr add 10.8.0.2/24 dev wg0; ip addr add ${ULA}2/64 dev wg0; ip link set wg0 up`)
    await answers
    t.same(await ask('10.8.0.1'), ANSWERED)
    t.same(await ask(`${ULA}1`), ANSWERED)
    // The same machine, by the wrong way in: its address on the cable is not beside the tunnel.
    shop.sh('till', 'ip addr del 10.8.0.2/24 dev wg0; ip route add 10.8.0.1 via 192.168.77.2')
    t.same(await ask('10.8.0.1'), UNREACHABLE)
  })
}
