/** Streets, and the number in them: what a card's address check and a parcel's sorting go by. */
import { type Fault, LONGEST, plain, type Reading, type Surroundings } from './reading.ts'

/** Longest street, in UTF-16 units; it may have several lines. */
const LONGEST_STREET = 1000

/** Countries that write the number before the name of the street. */
export const NUMBER_FIRST = new Set(
  'AU CA EG FR GB GG HK IE IL IM IN JE LU MC MY NZ PH SG TH TN US ZA'.split(' '),
)

const NUMBER = String.raw`\d{1,6}(?: ?[A-Z](?![\p{L}\d]))?(?:[/-]\d{1,5}[A-Z]?|\/[A-Z])*(?![\p{L}\d/-])`
const FIRST = new RegExp(`^(${NUMBER})(?=[ ,])`, 'iu')
const LATER = new RegExp(`(?<=[ ,#º°]|^)(${NUMBER})(?![.ºª°]| de )`, 'giu')
const JAPANESE = /(?<![\d-])\d{1,4}(?:-\d{1,4}){0,3}(?![\d-])/

/** What comes after the number and has numbers of its own: doors, stairs, floors. */
const UNIT =
  /(?<=\d ?[A-Z]?)[ ,-]+(?:apart\p{L}*|apt[oº]?|ap|bloco|box|bte|bus|depto|dpto|esc|et|etg|floor|fl|hs|int|interior|lgh|lok|piso|sala|st|stiege|stock|suite|top|tür|unit|wg|whg|wohnung|m)\b\.?.*$/iu
/** A line that is no street. */
const BOX =
  /^(?:p\.? ?o\.? ?box|postfach|postbus|apartado|caixa postal|casella postale|boîte postale|b\.?p\.? \d)/iu

/**
 * A street with its number as a form or a database has it, of one or several lines. Written as it came. Tells `street-number`
 * where it can be found: before the name or after it, as the country has it.
 */
export function readStreet(text: string, { country = '' }: Surroundings): Reading | Fault {
  if (text.length > LONGEST_STREET)
    return { fault: 'too long for a street', hint: `it has at most ${LONGEST_STREET} characters` }
  return { text, tells: { 'street-number': numberIn(text, country) } }
}

/** The number of a house in a column of its own. Written as it came. Tells itself as `street-number` where it looks like one. */
export function readStreetNumber(text: string): Reading | Fault {
  if (text.length > LONGEST)
    return { fault: 'too long for the number of a house', hint: 'put the street into a column of its own' }
  const [, number] = new RegExp(`^(${NUMBER})$`, 'iu').exec(plain(text)) ?? []
  return { text, tells: { 'street-number': number && tidy(number) } }
}

/** The first line that has a number has the number. */
function numberIn(street: string, country: string): string | undefined {
  for (const line of street.split(/\r?\n/).map(plain)) {
    const number = BOX.test(line) ? undefined : numberInLine(line.replace(/[\p{Pd}\u2212]/gu, '-'), country)
    if (number !== undefined) return tidy(number)
  }
  return undefined
}

function numberInLine(line: string, country: string): string | undefined {
  // 永田町1丁目7番1号 is 永田町1-7-1
  if (country === 'JP')
    return JAPANESE.exec(
      line
        .replace(/丁目|番地?|(?<=\d)の(?=\d)/gu, '-')
        .replace(/号/gu, ' ')
        .replace(/-(?!\d)/g, ' '),
    )?.[0]
  const [, first] = FIRST.exec(line) ?? []
  if (NUMBER_FIRST.has(country)) return first
  for (const segment of line.replace(UNIT, '').split(/,| - /)) {
    const found = [...segment.trim().matchAll(LATER)].map(([, number]) => number!)
    // Via 4 Novembre 10: what stands before the name belongs to it, if there is another.
    if (found.length > 0) return found.at(-1)
  }
  return first
}

/** `12 b` and `12B` are one house. Longer than twelve characters is none. */
function tidy(number: string): string | undefined {
  const written = number.replaceAll(' ', '').toUpperCase()
  return written.length > 12 ? undefined : written
}
