/** Phone numbers, by the tables of libphonenumber: the world's numbering plans (ITU-T E.164). */
import {
  type CountryCode,
  isSupportedCountry,
  type PhoneNumber,
  parsePhoneNumberFromString,
} from 'libphonenumber-js/max'
import { type Fault, LONGEST, plain, type Reading, type Surroundings } from './reading.ts'

/** Digits of a number that stay unknown to a reader of its area code, at least. */
const HIDDEN = 5

/** Countries that have areas although no digit is written before them at home. */
const AREAS_WITHOUT_PREFIX: readonly string[] = ['BR', 'MX']
/** Countries whose mobile numbers belong to areas, and those that put a digit of their own before the area. */
const AREAS_OF_MOBILES: readonly string[] = ['AR', 'BR', 'MX']
const MOBILE_DIGIT: { [country: string]: string | undefined } = { AR: '9' }

/** The `1` before mobile numbers from abroad, which Mexico gave up in August 2019 and address books did not. */
const OLD_MEXICAN_MOBILE = /^\+52[ -]?1[ -]?(?=(?:[ ()-]*\d){10}$)/

/**
 * A phone number of any country with `+`, or as it is dialled in the country of the surroundings. Written as E.164, with an
 * extension as in RFC 3966: `+14155552671;ext=12`. Tells `country` and, for a number that belongs to an area, `area-code`.
 *
 * Numbers that are possible and not assigned are taken: plans change, and the customer may have been here before.
 */
export function readPhone(text: string, { country }: Surroundings): Reading | Fault {
  const hint = country
    ? 'write it as it is dialled there, or with + and the number of its country'
    : 'write it with + and the number of its country, or say which country the shop is in'
  if (text.length > LONGEST) return { fault: 'too long for a phone number', hint }
  const written = plain(text)
    .replace(/^tel:\s*/i, '')
    .replace(OLD_MEXICAN_MOBILE, '+52 ')
  const here = country !== undefined && isSupportedCountry(country) ? (country as CountryCode) : undefined
  const number = parsePhoneNumberFromString(written, {
    extract: false,
    ...(here ? { defaultCountry: here } : {}),
  })
  if (!number) return { fault: 'not a phone number', hint }
  if (!number.isPossible()) return { fault: 'no phone number there has this length', hint }
  // What is told must follow from what is sealed alone, or it would change when the number is read again elsewhere.
  const alone = parsePhoneNumberFromString(number.number)
  if (alone?.number !== number.number) return { fault: 'not a phone number', hint }
  const extension = number.ext ? `;ext=${number.ext}` : ''
  return {
    text: `${number.number}${extension}`,
    tells: { country: alone.country, 'area-code': areaCode(alone) },
  }
}

/**
 * The area of a number. Of a mobile number there is none in most countries: what looks like one is its first network.
 *
 * A plan has areas where a digit is dialled before them, which the national way of writing shows (`020 7946 0018`). libphonenumber for
 * Java asks its tables; here they say `0` for every country that has none.
 *
 * @param number - without an extension
 * @returns `undefined` where there is none, or where too few digits would stay unknown
 */
function areaCode(number: PhoneNumber): string | undefined {
  const { country, nationalNumber } = number
  if (country === undefined || !number.isValid()) return undefined
  const type = number.getType()
  const mobile = type === 'MOBILE'
  const geographic = type === 'FIXED_LINE' || type === 'FIXED_LINE_OR_MOBILE'
  if (!geographic && !(mobile && AREAS_OF_MOBILES.includes(country))) return undefined
  const prefixed = number.formatNational().replace(/\D/g, '') !== nationalNumber
  const hasAreas =
    prefixed ||
    number.countryCallingCode === '1' ||
    nationalNumber.startsWith('0') ||
    AREAS_WITHOUT_PREFIX.includes(country)
  if (!hasAreas) return undefined
  const [, ...groups] = number.formatInternational().split(/[ -]/)
  if (mobile && groups[0] === MOBILE_DIGIT[country]) groups.shift()
  const [area, ...rest] = groups
  return area !== undefined && rest.join('').length >= HIDDEN ? area : undefined
}
