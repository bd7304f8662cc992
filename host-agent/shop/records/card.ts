/** Card numbers (ISO/IEC 7812-1) and when cards expire, as shops have written them down. */
import cards from 'card-validator'
import { compact, type Fault, LONGEST, plain, type Reading } from './reading.ts'

/**
 * A card number with any spaces and dashes. Written as digits alone. Tells its `brand` (`visa`, `american-express`, …;
 * `unknown` for a number that no brand is known for) and `last4`.
 */
export function readCardNumber(text: string): Reading | Fault {
  const hint = 'a card number has 12 to 19 digits; spaces and dashes may be between them'
  if (text.length > LONGEST) return { fault: 'too long for a card number', hint }
  const digits = compact(text)
  if (/^[%;]/.test(digits)) {
    return {
      fault: 'this is the track of a card, which must never be stored',
      hint: 'take the number out of it and forget the rest (PCI DSS 3.3.1)',
    }
  }
  if (/^\d[\d.,]*E\+?\d+$/.test(digits)) {
    return {
      fault: 'a spreadsheet has rounded this card number',
      hint: 'read it as text from where it was exported',
    }
  }
  if (/^[\d*X•.]+$/.test(digits) && /[*X•]/.test(digits)) {
    return { fault: 'this card number is masked', hint: 'there is nothing to seal in it: keep it as it is' }
  }
  if (!/^\d{12,19}$/.test(digits)) return { fault: 'not a card number', hint }
  const verdict = cards.number(digits)
  if (!verdict.isValid) {
    if (!luhn(digits))
      return {
        fault: 'the check digit of the card number is wrong',
        hint: 'look for a digit that was mistyped',
      }
    if (verdict.card)
      return {
        fault: `${verdict.card.niceType} has no card numbers of this length`,
        hint: 'count the digits',
      }
  }
  const brand = verdict.isValid && verdict.card ? verdict.card.type : 'unknown'
  return { text: digits, tells: { brand, last4: digits.slice(-4) } }
}

/** The check of ISO/IEC 7812-1, annex B. */
function luhn(digits: string): boolean {
  const sum = [...digits].reverse().reduce((total, digit, i) => {
    const value = Number(digit) * (i % 2 === 0 ? 1 : 2)
    return total + (value > 9 ? value - 9 : value)
  }, 0)
  return sum % 10 === 0
}

const EXPIRY = [
  // 2027-12 and 2027-12-31, as databases write it; a card is good until the month is over
  /^(?<year>\d{4})[-/.](?<month>\d{1,2})(?:[-/.]\d{1,2}(?:[T ].*)?)?$/,
  // 12/27, 12/2027, 12-27, 12 27
  /^(?<month>\d{1,2}) ?[-/. ] ?(?<year>\d{4}|\d{2})$/,
  // 1227, 122027, and 127 or 12027 where a column of numbers lost the first zero
  /^(?<month>\d{1,2})(?<year>\d{2}|(?:19|20)\d{2})$/,
]

/**
 * When a card expires: month and year in that order, the year with two or four digits, or a date that begins with a year.
 * Written as `2027-12`. Two digits mean 1970 to 2069. Neither clock nor calendar is asked: a card that expired long ago is still
 * in the shop's database.
 */
export function readExpiry(text: string): Reading | Fault {
  const fault = { fault: 'not a month and a year', hint: 'write it as 12/27, 12/2027 or 2027-12' }
  if (text.length > LONGEST) return fault
  const written = plain(text)
  for (const pattern of EXPIRY) {
    const { month, year } = pattern.exec(written)?.groups ?? {}
    if (month === undefined || year === undefined) continue
    const full = year.length === 4 ? Number(year) : Number(year) + (Number(year) < 70 ? 2000 : 1900)
    if (Number(month) < 1 || Number(month) > 12 || full < 1970 || full > 2099) continue
    return { text: `${full}-${month.padStart(2, '0')}`, tells: {} }
  }
  return fault
}
