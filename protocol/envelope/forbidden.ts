/**
 * Classes of fields that nobody may keep once a payment is authorised, sealed or not: card verification codes, PINs and
 * the full track (PCI DSS v4.0.1, 3.3.1.1 to 3.3.1.3). Sealers refuse them and the appliance does not open them.
 *
 * `host-agent/seal/claviger_seal.php` and `claviger_seal.py` hold the same list; a test compares the three.
 */

import { ClavigerError } from '../api/errors.ts'

/** Each stands for itself and for every class below it: `card.cvv` and `card.cvv.back`. */
export const FORBIDDEN_FIELDS: readonly string[] = [
  'card.cvv',
  'card.cvv2',
  'card.cvc',
  'card.cvc2',
  'card.cid',
  'card.cav2',
  'card.pin',
  'card.track',
  'card.track1',
  'card.track2',
]

/** True when fields of this class must never be stored. */
export function isForbiddenField(field: string): boolean {
  return FORBIDDEN_FIELDS.some(name => field === name || field.startsWith(`${name}.`))
}

/** A field of a class that must never be stored. Code `forbidden-field`. */
export class ForbiddenFieldError extends ClavigerError {
  constructor(field: string) {
    super('forbidden-field', `fields of class ${field} must never be stored, not even sealed`, {
      hint: 'use it for the authorisation, then forget it (PCI DSS 3.3.1)',
    })
  }
}
