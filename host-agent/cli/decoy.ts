/** Decoys for canaries: values that look as real as the others, and are nobody's. */

/** The range in which payment networks and processors keep their test cards. */
const TEST_RANGE = '400000'
const CARD_LENGTH = 16

/**
 * A card number of 16 digits that passes the check of Luhn (ISO/IEC 7812-1 annex B).
 *
 * @param randomDigit - gives a digit from 0 to 9
 */
export function decoyCard(randomDigit: () => number): string {
  let digits = TEST_RANGE
  while (digits.length < CARD_LENGTH - 1) digits += String(randomDigit())
  return digits + String((10 - (luhnSum(`${digits}0`) % 10)) % 10)
}

/** Whether a number passes the check of Luhn. */
export function isLuhn(digits: string): boolean {
  return /^\d+$/.test(digits) && luhnSum(digits) % 10 === 0
}

function luhnSum(digits: string): number {
  let sum = 0
  for (const [i, digit] of [...digits].reverse().entries()) {
    const value = Number(digit) * (i % 2 === 0 ? 1 : 2)
    sum += value > 9 ? value - 9 : value
  }
  return sum
}
