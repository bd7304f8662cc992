/** `--lan HOST:PORT`: the LAN of a developer's machine is where it was told to listen. */
import { lookup } from 'node:dns/promises'
import { addressesAt, type Interfaces, type LanAddress } from '../network/lan.ts'

/**
 * @param interfaces - of this machine, as they are when it is called
 * @throws Error that names what is wrong with the text, or that this machine has no such address
 */
export async function resolveLanOption(
  at: string,
  interfaces: () => Interfaces,
): Promise<{ port: number; addresses(): LanAddress[] }> {
  const [, name, digits] = /^(.+):(\d{1,5})$/.exec(at) ?? []
  const port = Number(digits)
  if (!name || port > 65_535) throw new Error(`${at} is not host:port`)
  const found = await lookup(name.replace(/^\[|\]$/g, ''), { all: true })
  const hosts = found.map(({ address }) => address)
  const addresses = () => addressesAt(hosts, interfaces())
  if (addresses().length === 0) throw new Error(`no interface of this machine has the address ${name}`)
  return { port, addresses }
}
