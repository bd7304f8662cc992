/** `provision.json` as it goes onto the card: what the administrator's machine made, and the network of a LAN box. */
import { parseNetworkConfig } from '../../appliance/network/config.ts'
import { parseProvision } from '../../appliance/provision.ts'
import { blank, PROVISION_BYTES } from '../boot/boot-files.ts'
import { DEFAULT_NETWORK, networkFiles } from '../device/networkd.ts'
import { ImageError } from '../errors.ts'
import type { Mode } from '../model.ts'

/** What is said of the network. docs/formats/image.md, "The network of a LAN box". */
export interface NetworkOptions {
  /** Contents of `network.json`. */
  readonly network?: string | undefined
  /** Such as `eth0=192.168.1.5/24`. */
  readonly addresses?: readonly string[] | undefined
}

/**
 * The bytes that take the place of the blanks, checked as the device will check them.
 *
 * @param text of `provision.json`
 * @throws ImageError that says what is wrong with it
 */
export function provisionFile(text: string, mode: Mode, { network, addresses = [] }: NetworkOptions): Buffer {
  told(() => parseProvision(text), 'make it with "claviger provision --write FILE"')
  const card = JSON.parse(text) as Record<string, unknown>
  const isSaid = network !== undefined || addresses.length > 0
  if (mode === 'dongle' && (isSaid || 'network' in card || 'addresses' in card))
    throw new ImageError('a dongle has no network', { hint: 'an image for the LAN is built with --mode lan' })
  if (network !== undefined && 'network' in card)
    throw new ImageError('provision.json has a "network" already')
  if (addresses.length > 0 && 'addresses' in card)
    throw new ImageError('provision.json has "addresses" already')
  if (network !== undefined) card.network = parseJson(network)
  if (addresses.length > 0) card.addresses = readAddresses(addresses)
  if (mode === 'lan') checkNetwork(card)
  return padded(isSaid ? `${JSON.stringify(card, null, 2)}\n` : text)
}

function padded(text: string): Buffer {
  const file = blank()
  const bytes = Buffer.from(text)
  // The last byte is the line's end that is there already.
  if (bytes.length >= PROVISION_BYTES)
    throw new ImageError(
      `provision.json has ${bytes.length} bytes, and the card room for ${PROVISION_BYTES - 1}`,
    )
  file.set(bytes)
  return file
}

function checkNetwork({ network, addresses = {} }: Record<string, unknown>): void {
  const hint = 'docs/lan.md says what can stand there'
  const config = told(() => parseNetworkConfig(JSON.stringify(network ?? DEFAULT_NETWORK)), hint)
  told(() => networkFiles(config, addresses), hint)
  const wired = config.interfaces.filter(({ kind }) => kind === 'ethernet').map(({ name }) => name)
  const stray = Object.keys(addresses as object).find(name => !wired.includes(name))
  if (stray !== undefined)
    throw new ImageError(`an address is given for ${stray}, which is no interface of the LAN`, {
      hint: `the interfaces are ${wired.join(', ')}; --network FILE names others`,
    })
}

function readAddresses(list: readonly string[]): Record<string, string[]> {
  const addresses: Record<string, string[]> = {}
  for (const text of list) {
    const [, name, address] = /^([A-Za-z0-9][A-Za-z0-9_.-]{0,14})=(.+)$/.exec(text) ?? []
    if (!name || !address)
      throw new ImageError(`${JSON.stringify(text)} is not an address of an interface`, {
        hint: 'such as --address eth0=192.168.1.5/24',
      })
    addresses[name] = [...(addresses[name] ?? []), address]
  }
  return addresses
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new ImageError('network.json: the file is not JSON', { cause })
  }
}

/** What the device's own parser complains about, as an error of this program. */
function told<T>(parse: () => T, hint: string): T {
  try {
    return parse()
  } catch (cause) {
    throw new ImageError((cause as Error).message, { cause, hint })
  }
}
