/** An operational appliance in a shop's network, with an enrolled till, and what all of its neighbours try. */
import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Profile } from '../../host-agent/client/profile.ts'
import { sealer } from '../../host-agent/seal/seal.ts'
import type { DecryptBody } from '../../protocol/api/schemas.ts'
import { flashCard, type Processes, startProcesses, temporaryDirectory } from '../support/appliance.ts'
import { bareNode } from '../support/environment.ts'
import type { Ask, Asked } from './client-end.ts'
import { Shop } from './namespaces.ts'

export const VALUE = '4242424242424242'

/** What the tests work with. */
export interface Operating {
  shop: Shop
  processes: Processes
  /** Enrolled, and granted what {@link body} asks for. */
  till: Profile
  body: DecryptBody
  /** Path of `network.json`. */
  network: string
}

/** What the client of a machine is told: {@link Ask} without what is the same for all. */
export type Asking = Omit<Ask, 'profile' | 'body'> & Partial<Pick<Ask, 'profile' | 'body'>>

/** Starts it. It is provisioned over the serial line, so that nobody on the network was there before. */
export async function operate(
  t: Test,
  name: string,
  config: object = { interfaces: [{ name: 'eth0' }] },
  freeRefusals = 20,
): Promise<Operating> {
  const shop = Shop.build(t, name)
  const directory = await temporaryDirectory()
  t.teardown(() => directory.remove())
  const network = join(directory.path, 'network.json')
  await writeFile(network, JSON.stringify(config))
  const line = join(directory.path, 'line')
  const card = await flashCard(directory.path, '')
  const processes = await startProcesses(directory.path, {
    network,
    freeRefusals,
    netns: shop.name('appliance'),
    serial: `unix:${line}`,
    host: `serial:unix:${line}`,
  })
  t.teardown(() => processes.stop())
  // A link is not there for a moment after it was switched on.
  const listening = / lan https:/
  if (!processes.lines.some(line => listening.test(line))) await processes.line(listening)
  const { appliance } = processes
  await appliance.provision(card)
  t.teardown(() => appliance.close())
  const admin = await appliance.connect(appliance.admin)
  const key = await admin.createKey('orders')
  const till = await appliance.enrol('till-1', 'operator', ['orders'])
  const context = { field: 'card.number', record: 'cust_cards/42' }
  const ciphertext = sealer(key.versions[0]!.publicKey)(context, VALUE)
  return { shop, processes, till, network, body: { purpose: 'charge', items: [{ ciphertext, context }] } }
}

/** A client on a machine, with the till's enrolment unless told otherwise: outside, it is stolen. */
export function clientOn(
  { shop, till, body }: Operating,
  machine: 'till' | 'outside',
): (asking: Asking) => Promise<Asked> {
  const send = shop.end<Ask, Asked>(machine, './client-end.ts')
  return asking => send({ profile: till, body, ...asking })
}

/** The two tables of the packet filter, as `claviger-appliance firewall` prints them where the appliance is. */
export function firewallOf({ shop, network }: Operating): { filter: string; hops: string } {
  const main = join(import.meta.dirname, '../../appliance/main.ts')
  const [command, args] = bareNode(main, 'firewall', '--network', network)
  const all = ['netns', 'exec', shop.name('appliance'), command, ...args]
  const text = execFileSync('ip', all, { encoding: 'utf8' })
  const at = text.indexOf('\ntable inet claviger_hops\n')
  return { filter: text.slice(0, at + 1), hops: text.slice(at + 1) }
}

/** Makes exactly these rules the appliance's. */
export function load({ shop }: Operating, ...tables: string[]): void {
  shop.sh('appliance', 'nft -f -', ['flush ruleset', ...tables].join('\n'))
}

/** What came of it, without how long it took. */
export const outcome = ({ results, errors }: Asked): Omit<Asked, 'latencies'> => ({ results, errors })
export const ANSWERED = { results: [JSON.stringify([{ value: VALUE }])], errors: [] }
export const UNREACHABLE = { results: [], errors: ['unreachable'] }
