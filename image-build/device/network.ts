/**
 * Runs on a LAN box before its network: turns the card's `provision.json` into `network.json` for the gate, rules for nftables, and
 * files for systemd-networkd. docs/formats/image.md, "The network of a LAN box".
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type NetworkConfig, parseNetworkConfig } from '../../appliance/network/config.ts'
import { firewallRules } from '../../appliance/network/firewall.ts'
import { DEFAULT_NETWORK, networkFiles } from './networkd.ts'

const { values } = parseArgs({
  options: { provision: { type: 'string' }, network: { type: 'string' }, networkd: { type: 'string' } },
})
const { provision = '', network = '', networkd = '' } = values

const text = await readFile(provision, 'utf8').catch((error: NodeJS.ErrnoException) => {
  if (error.code === 'ENOENT') return '{}'
  throw error
})
const card: unknown = JSON.parse(text)
const { network: said = DEFAULT_NETWORK, addresses = {} } = card as { network?: unknown; addresses?: unknown }
const config: NetworkConfig = parseNetworkConfig(JSON.stringify(said))

await mkdir(network, { recursive: true, mode: 0o755 })
await writeFile(join(network, 'network.json'), JSON.stringify(said), { mode: 0o644 })
await writeFile(join(network, 'rules.nft'), firewallRules(config), { mode: 0o600 })
await mkdir(networkd, { recursive: true, mode: 0o755 })
for (const [name, contents] of networkFiles(config, addresses))
  await writeFile(join(networkd, name), contents, { mode: 0o644 })
