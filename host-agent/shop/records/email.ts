/** E-mail addresses (RFC 5321, RFC 6531), which stay readable: shops write to them and log customers in by them. */
import { domainToASCII } from 'node:url'
import { type Fault, LONGEST, type Reading } from './reading.ts'

/**
 * An address without a name and without brackets. Written with its domain in small letters. What is before the `@` stays as it
 * is: only the customer's own server knows whether capitals matter there.
 */
export function readEmail(text: string): Reading | Fault {
  const fault = { fault: 'not an e-mail address', hint: 'write it alone, such as mary@example.org' }
  const written = text.normalize('NFC').trim()
  if (written.length > LONGEST) return fault
  const [, local, domain] = /^([^\s\p{C}@<>()[\],;:\\"]{1,64})@([^\s\p{C}@]{1,253})$/u.exec(written) ?? []
  if (local === undefined || domain === undefined) return fault
  const small = domain.toLowerCase().normalize('NFC')
  const ascii = domainToASCII(small)
  if (!/^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$/.test(ascii)) return fault
  return { text: `${local}@${small}`, tells: {} }
}
