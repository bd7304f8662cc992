/** The one list of readers: what a declaration of a type may name. */
import { readAccount, readBankCode, readClabe, readIban, readRouting, readUsAccount } from './bank.ts'
import { readCardNumber, readExpiry } from './card.ts'
import { readCountry } from './country.ts'
import { readEmail } from './email.ts'
import { readPhone } from './phone.ts'
import { readPostalCode } from './postal-code.ts'
import type { Read } from './reading.ts'
import { readStreet, readStreetNumber } from './street.ts'

/** A way of reading an input. */
export interface Reader {
  readonly read: Read
  /** What it can tell of a text; see each reader. */
  readonly tells: readonly string[]
  /** Whether its text may never stay readable, whatever a declaration says. */
  readonly mustBeSealed?: true
}

export const READERS = {
  /** Any text, kept as it came. */
  text: { read: text => ({ text, tells: {} }), tells: [] },
  'card-number': { read: readCardNumber, tells: ['brand', 'last4'], mustBeSealed: true },
  expiry: { read: readExpiry, tells: [] },
  iban: { read: readIban, tells: ['country', 'bank', 'last4'] },
  routing: { read: readRouting, tells: [] },
  'us-account': { read: readUsAccount, tells: ['last4'] },
  clabe: { read: readClabe, tells: ['bank', 'last4'] },
  'bank-code': { read: readBankCode, tells: [] },
  account: { read: readAccount, tells: ['last4'] },
  phone: { read: readPhone, tells: ['country', 'area-code'] },
  email: { read: readEmail, tells: [] },
  country: { read: readCountry, tells: [] },
  'postal-code': { read: readPostalCode, tells: [] },
  street: { read: readStreet, tells: ['street-number'] },
  'street-number': { read: readStreetNumber, tells: ['street-number'] },
} as const satisfies { [name: string]: Reader }

/** Name of a reader. */
export type ReaderName = keyof typeof READERS
