/** An address as its country's post wants it on a parcel: lines from top to bottom. */
import { type Address, formatAddress } from 'localized-address-format'
import { plain } from './reading.ts'
import { NUMBER_FIRST } from './street.ts'

/** Countries that write the number after a comma. */
const NUMBER_AFTER_COMMA = new Set(['BR', 'IT'])
/** Scripts in which the layouts that go from the largest to the smallest are written. */
const EAST_ASIAN = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u

export interface LabelOptions {
  /** Where it is posted: for an address in the same country, the country's name is left out. */
  readonly from?: string
}

/**
 * The lines of a label.
 *
 * @param address - an address as `join` gives it. Everything in it is on the label, also where the country's layout has no place for it
 */
export function labelLines(
  address: { readonly [input: string]: string },
  { from }: LabelOptions = {},
): string[] {
  const { country = '', 'postal-code': postalCode, 'sorting-code': sortingCode, name, organization } = address
  const { locality, district, region } = address
  const street = withNumber(address, country)
  const script = EAST_ASIAN.test(Object.values(address).join('')) ? 'local' : 'latin'
  const given: Address = {
    postalCountry: country,
    ...(region ? { administrativeArea: region } : {}),
    ...(locality ? { locality } : {}),
    ...(district ? { dependentLocality: district } : {}),
    ...(postalCode ? { postalCode } : {}),
    ...(sortingCode ? { sortingCode } : {}),
    ...(organization ? { organization } : {}),
    ...(name ? { name } : {}),
    addressLines: street,
  }
  const lines = formatAddress(given, script)
  // The layout of Japan has no place for a locality, and many have none for a district or a region.
  const missing = [region, locality, district].filter(
    text => text && !lines.join('\n').includes(text),
  ) as string[]
  const completed =
    missing.length === 0
      ? lines
      : formatAddress(
          {
            ...given,
            addressLines:
              script === 'local' ? [missing.join(''), ...street] : [...street, missing.reverse().join(', ')],
          },
          script,
        )
  const absent = [name, organization, sortingCode, postalCode].filter(
    text => text && !completed.join('\n').includes(text),
  )
  const all = [...completed, ...(absent as string[])]
  return country === '' || country === from ? all : [...all, nameOf(country).toUpperCase()]
}

function withNumber(
  { street = '', 'street-number': number }: { readonly [input: string]: string },
  country: string,
): string[] {
  const [first = '', ...others] = street.split(/\r?\n/).map(plain).filter(Boolean)
  if (!number) return [first, ...others]
  const joined = NUMBER_FIRST.has(country)
    ? `${number} ${first}`
    : `${first}${NUMBER_AFTER_COMMA.has(country) ? ',' : ''} ${number}`
  return [joined, ...others]
}

function nameOf(country: string): string {
  return new Intl.DisplayNames(['en'], { type: 'region' }).of(country) ?? country
}
