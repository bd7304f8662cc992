/**
 * The types of records: what of each stays readable for matching and searching, and what is sealed (docs/records.md).
 *
 * A shop's own types are JSON of the same shape (`declaration.ts`).
 */
import type { RecordTypes } from './declaration.ts'

export const TYPES: RecordTypes = {
  card: {
    text: 'number',
    inputs: {
      number: {
        reads: 'card-number',
        keep: 'sealed',
        tells: { brand: 'brand', last4: 'last4' },
        required: true,
      },
      expiry: { reads: 'expiry', keep: 'readable' },
      holder: { reads: 'text', keep: 'sealed' },
    },
  },
  iban: {
    text: 'number',
    inputs: {
      number: {
        reads: 'iban',
        keep: 'sealed',
        tells: { country: 'country', bank: 'bank', last4: 'last4' },
        required: true,
      },
      holder: { reads: 'text', keep: 'sealed' },
    },
  },
  'us-account': {
    inputs: {
      bank: { reads: 'routing', keep: 'readable', required: true },
      number: { reads: 'us-account', keep: 'sealed', tells: { last4: 'last4' }, required: true },
      holder: { reads: 'text', keep: 'sealed' },
    },
  },
  clabe: {
    text: 'number',
    inputs: {
      number: { reads: 'clabe', keep: 'sealed', tells: { bank: 'bank', last4: 'last4' }, required: true },
      holder: { reads: 'text', keep: 'sealed' },
    },
  },
  // where banks and accounts are numbered in another way: sort code, BSB, IFSC
  account: {
    inputs: {
      bank: { reads: 'bank-code', keep: 'readable', required: true },
      number: { reads: 'account', keep: 'sealed', tells: { last4: 'last4' }, required: true },
      holder: { reads: 'text', keep: 'sealed' },
    },
  },
  // one token for all that is sealed of an address: a label is printed by opening one field
  address: {
    inputs: {
      name: { reads: 'text', keep: 'sealed', into: 'rest' },
      organization: { reads: 'text', keep: 'sealed', into: 'rest' },
      'street-number': {
        reads: 'street-number',
        keep: 'sealed',
        into: 'rest',
        tells: { 'street-number': 'street-number' },
      },
      street: {
        reads: 'street',
        keep: 'sealed',
        into: 'rest',
        tells: { 'street-number': 'street-number' },
        required: true,
      },
      district: { reads: 'text', keep: 'sealed', into: 'rest' },
      locality: { reads: 'text', keep: 'sealed', into: 'rest' },
      region: { reads: 'text', keep: 'sealed', into: 'rest' },
      'sorting-code': { reads: 'text', keep: 'sealed', into: 'rest' },
      'postal-code': { reads: 'postal-code', keep: 'readable' },
      country: { reads: 'country', keep: 'readable', required: true },
    },
  },
  phone: {
    text: 'number',
    inputs: {
      number: {
        reads: 'phone',
        keep: 'sealed',
        tells: { country: 'country', 'area-code': 'area-code' },
        required: true,
      },
    },
  },
  email: { text: 'address', inputs: { address: { reads: 'email', keep: 'readable', required: true } } },
  text: { text: 'text', inputs: { text: { reads: 'text', keep: 'sealed', required: true } } },
}
