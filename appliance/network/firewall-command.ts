/** `claviger-appliance firewall --network FILE`: prints the rules, with the subnets that the interfaces have now. */
import { networkInterfaces } from 'node:os'
import { parseArgs } from 'node:util'
import { readNetworkConfig } from './config.ts'
import { firewallRules } from './firewall.ts'
import { lanAddresses } from './lan.ts'

const USAGE = `claviger-appliance firewall --network FILE

  --network FILE    network.json

Prints rules for nftables: nothing comes in but the service's port from the subnets beside the interfaces, and nothing that goes
out gets past the first router. Load them with: claviger-appliance firewall --network FILE | nft -f -
`

function fail(message: string, status: number): never {
  process.stderr.write(`claviger-appliance: ${message}\n${status === 2 ? USAGE : ''}`)
  process.exit(status)
}

function readOptions() {
  try {
    return parseArgs({ options: { network: { type: 'string' }, help: { type: 'boolean' } } }).values
  } catch (error) {
    return fail((error as Error).message, 2)
  }
}

const { network, help } = readOptions()
if (help) process.stdout.write(USAGE)
else {
  if (!network) fail('--network is needed', 2)
  const config = await readNetworkConfig(network).catch(error => fail(error.message, 1))
  const now = lanAddresses(config.interfaces, networkInterfaces())
  const leased = new Map(
    config.interfaces.map(({ name }) => [
      name,
      now.filter(address => address.interface === name).flatMap(({ subnets }) => subnets),
    ]),
  )
  process.stdout.write(firewallRules(config, leased))
}
