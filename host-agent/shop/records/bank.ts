/** Numbers of banks and of accounts in them. */
import { extractIBAN, ValidationErrorsIBAN, validateIBAN } from 'ibantools'
import { compact, type Fault, LONGEST, lastFour, plain, type Reading } from './reading.ts'

/**
 * An IBAN (ISO 13616) with any spaces. Written without them. Tells `country`, `bank` (the bank's identifier in that country, with
 * the branch's where a country has one) and `last4`.
 */
export function readIban(text: string): Reading | Fault {
  const hint = 'it starts with two letters for the country and two check digits, such as DE89 3704 …'
  if (text.length > LONGEST) return { fault: 'too long for an IBAN', hint }
  const iban = compact(text).replace(/^IBAN:?/, '')
  if (!/^[A-Z]{2}\d{2}[A-Z0-9]{6,30}$/.test(iban)) return { fault: 'not an IBAN', hint }
  const { valid, errorCodes } = validateIBAN(iban)
  if (!valid) {
    const { NoIBANCountry, WrongBBANLength, WrongBBANFormat } = ValidationErrorsIBAN
    if (errorCodes.includes(NoIBANCountry))
      return { fault: 'no country with IBANs has these two letters', hint }
    if (errorCodes.includes(WrongBBANLength))
      return { fault: 'the IBANs of this country have another length', hint: 'count its letters and digits' }
    if (errorCodes.includes(WrongBBANFormat))
      return { fault: 'the IBANs of this country look different', hint: 'look for O in place of 0' }
    return { fault: 'the check digits of the IBAN are wrong', hint: 'look for a digit that was mistyped' }
  }
  const { countryCode, bankIdentifier = '', branchIdentifier = '' } = extractIBAN(iban)
  const bank = bankIdentifier + branchIdentifier
  // Country, check digits and bank are known to whoever reads the bank. In short IBANs little is left.
  const last4 = iban.length - 4 - bank.length < 8 ? undefined : iban.slice(-4)
  return { text: iban, tells: { country: countryCode, bank: bank || undefined, last4 } }
}

/** The routing number of a bank in the United States (ANSI X9.9): nine digits with weights 3, 7, 1. Written as digits alone. */
export function readRouting(text: string): Reading | Fault {
  const hint = 'it has nine digits; a spreadsheet may have dropped zeros in front'
  const digits = text.length > LONGEST ? '' : compact(text)
  if (!/^\d{9}$/.test(digits)) return { fault: 'not a routing number', hint }
  if (weighted(digits, [3, 7, 1]) % 10 !== 0 || digits === '000000000')
    return {
      fault: 'the check digit of the routing number is wrong',
      hint: 'look for a digit that was mistyped',
    }
  return { text: digits, tells: {} }
}

/** The number of an account in the United States: 4 to 17 digits (NACHA). Written as digits alone. Tells `last4`. */
export function readUsAccount(text: string): Reading | Fault {
  const digits = text.length > LONGEST ? '' : compact(text)
  if (!/^\d{4,17}$/.test(digits))
    return {
      fault: 'not an account number',
      hint: 'it has 4 to 17 digits; spaces and dashes may be between them',
    }
  return { text: digits, tells: { last4: lastFour(digits) } }
}

/** A Mexican CLABE: 18 digits with weights 3, 7, 1. Written as digits alone. Tells `bank`, its first three, and `last4`. */
export function readClabe(text: string): Reading | Fault {
  const digits = text.length > LONGEST ? '' : compact(text)
  if (!/^\d{18}$/.test(digits)) return { fault: 'not a CLABE', hint: 'it has 18 digits' }
  const check = digits
    .slice(0, 17)
    .split('')
    .map((digit, i) => (Number(digit) * [3, 7, 1][i % 3]!) % 10)
  if ((10 - (check.reduce((a, b) => a + b) % 10)) % 10 !== Number(digits[17]))
    return { fault: 'the check digit of the CLABE is wrong', hint: 'look for a digit that was mistyped' }
  return { text: digits, tells: { bank: digits.slice(0, 3), last4: lastFour(digits) } }
}

/**
 * The number of a bank where it stands apart from the account: a sort code, BSB, IFSC, transit number, BIC. Written in capitals,
 * without spaces and dashes.
 */
export function readBankCode(text: string): Reading | Fault {
  const code = text.length > LONGEST ? '' : compact(text)
  if (!/^[A-Z0-9]{3,12}$/.test(code))
    return { fault: 'not the number of a bank', hint: 'it has 3 to 12 letters and digits' }
  return { text: code, tells: {} }
}

/**
 * The number of an account anywhere. Dashes, dots and slashes stay, because in some countries they tell parts apart; spaces go.
 * Tells `last4`.
 */
export function readAccount(text: string): Reading | Fault {
  const number = text.length > LONGEST ? '' : plain(text).replaceAll(' ', '').toUpperCase()
  if (!/^[A-Z0-9][A-Z0-9/.-]{2,38}[A-Z0-9]$/.test(number))
    return {
      fault: 'not an account number',
      hint: 'it has 4 to 40 letters, digits, dashes, dots and slashes',
    }
  return { text: number, tells: { last4: lastFour(number) } }
}

function weighted(digits: string, weights: readonly number[]): number {
  return [...digits].reduce((sum, digit, i) => sum + Number(digit) * weights[i % weights.length]!, 0)
}
