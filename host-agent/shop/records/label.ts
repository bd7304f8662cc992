/** An address as its country's post wants it on a parcel: lines from top to bottom. */
import { type Address, formatAddress } from 'localized-address-format'
import { plain } from './reading.ts'
import { NUMBER_FIRST } from './street.ts'

/** Countries that write the number after a comma. */
const NUMBER_AFTER_COMMA = new Set(['BR', 'IT'])
/** Scripts in which layouts go from the largest to the smallest. */
const EAST_ASIAN = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u

type ScriptType = 'local' | 'latin'

export interface LabelOptions {
  /** Where it is posted, two letters: for an address in the same country, the country's name is left out. */
  readonly from?: string
}

/**
 * The lines of a label. A region, postal or sorting code is left out where the country's layout has no place for one, as a German
 * region; everything else is on it, with or without a place.
 *
 * @param address - an address as `join` gives it
 */
export function labelLines(
  address: { readonly [input: string]: string },
  { from }: LabelOptions = {},
): string[] {
  const { country = '', locality = '', district = '' } = address
  const script = EAST_ASIAN.test(Object.values(address).join('')) ? 'local' : 'latin'
  const parts = { locality, dependentLocality: district }
  const given: Address = {
    ...parts,
    postalCountry: country,
    administrativeArea: address.region ?? '',
    postalCode: address['postal-code'] ?? '',
    sortingCode: address['sorting-code'] ?? '',
    organization: address.organization ?? '',
    name: address.name ?? '',
    addressLines: streetLines(address, country),
  }
  const lines = formatAddress(given, script)
  const missing = (['locality', 'dependentLocality'] as const)
    .filter(part => parts[part] !== '' && !hasPlace(part, country, script))
    .map(part => parts[part])
    .filter(text => !isWrittenIn(text, country, script))
  const complete =
    missing.length === 0
      ? lines
      : formatAddress({ ...given, addressLines: withMissing(given, missing, script) }, script)
  return country === '' || country === from ? complete : [...complete, nameOf(country).toUpperCase()]
}

/** From the largest to the smallest before the street, or from the smallest to the largest behind it. */
function withMissing({ addressLines = [] }: Address, missing: string[], script: ScriptType): string[] {
  return script === 'local'
    ? [missing.join(''), ...addressLines]
    : [...addressLines, missing.toReversed().join(', ')]
}

/** Japan's layout has no place for a locality, and most have none for a district. */
function hasPlace(
  part: 'locality' | 'dependentLocality',
  postalCountry: string,
  script: ScriptType,
): boolean {
  const mark = '\u0001'
  return formatAddress({ postalCountry, [part]: mark }, script).some(line => line.includes(mark))
}

/** Singapore's layout, and those of other small countries, have the one locality written into them. */
function isWrittenIn(text: string, postalCountry: string, script: ScriptType): boolean {
  const mark = '\u0001'
  const lines = formatAddress({ postalCountry, postalCode: mark }, script)
  return lines.some(line => line.replace(mark, '').trim().toLowerCase() === text.trim().toLowerCase())
}

function streetLines(address: { readonly [input: string]: string }, country: string): string[] {
  const { street = '', 'street-number': number } = address
  const [first = '', ...others] = street.split(/\r?\n/).map(plain).filter(Boolean)
  if (!number) return [first, ...others]
  const comma = NUMBER_AFTER_COMMA.has(country) ? ',' : ''
  return [NUMBER_FIRST.has(country) ? `${number} ${first}` : `${first}${comma} ${number}`, ...others]
}

function nameOf(country: string): string {
  return new Intl.DisplayNames(['en'], { type: 'region' }).of(country) ?? country
}
