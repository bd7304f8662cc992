/**
 * Inputs that are refused wherever there is a card: verification codes, PINs and track data, by the names that shops' columns have
 * for them (PCI DSS v4.0.1, 3.3.1). No declaration can allow them.
 */
import { FORBIDDEN_FIELDS } from '../../../protocol/envelope/forbidden.ts'

/** As written without dashes, dots, underscores and capitals. */
const NAMES = new Set([
  ...FORBIDDEN_FIELDS.map(field => field.slice(field.lastIndexOf('.') + 1)),
  'cvn',
  'cvn2',
  'cve',
  'csc',
  'cvvcode',
  'cvccode',
  'cardcode',
  'securitycode',
  'verificationcode',
  'verificationvalue',
  'verificationnumber',
  'pinblock',
  'trackdata',
])

/**
 * True for `cvv`, `cc_cvv2`, `cardVerificationCode` and their like in a type that has a card number. Elsewhere a `pin` may be a gift
 * card's or an Indian postal code.
 */
export function isRefusedInput(
  inputs: { readonly [name: string]: { readonly reads: string } },
  name: string,
): boolean {
  if (!Object.values(inputs).some(({ reads }) => reads === 'card-number')) return false
  const folded = name.toLowerCase().replace(/[^a-z0-9]/g, '')
  return NAMES.has(folded) || NAMES.has(folded.replace(/^(?:credit|debit|payment|card|cc)+/, ''))
}
