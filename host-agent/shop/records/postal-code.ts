/** Postal codes: how the countries that ship most write them, and a loose grammar for the rest. */
import { type Fault, LONGEST, plain, type Reading, type Surroundings } from './reading.ts'

/**
 * Layouts by country: `#` is a digit, `A` a letter, `?` either; anything else stands for itself. Source: the `zip` patterns of
 * libaddressinput, whose data localized-address-format has its layouts of whole addresses from.
 */
export const LAYOUTS: { readonly [country: string]: readonly string[] | undefined } = {
  AT: ['####'],
  AU: ['####'],
  BE: ['####'],
  BG: ['####'],
  BR: ['#####-###'],
  CA: ['A#A #A#'],
  CH: ['####'],
  CN: ['######'],
  CY: ['####'],
  CZ: ['### ##'],
  DE: ['#####'],
  DK: ['####'],
  EE: ['#####'],
  ES: ['#####'],
  FI: ['#####'],
  FR: ['#####'],
  GB: ['A# #AA', 'A## #AA', 'AA# #AA', 'AA## #AA', 'A#A #AA', 'AA#A #AA', 'GIR 0AA'],
  GR: ['### ##'],
  HR: ['#####'],
  HU: ['####'],
  ID: ['#####'],
  IE: ['A## ????', 'A#A ????'],
  IN: ['######'],
  IT: ['#####'],
  JP: ['###-####'],
  KR: ['#####', '###-###'],
  LT: ['#####'],
  LU: ['####'],
  LV: ['LV-####'],
  MX: ['#####'],
  MY: ['#####'],
  NL: ['#### AA'],
  NO: ['####'],
  NZ: ['####'],
  PH: ['####'],
  PL: ['##-###'],
  PT: ['####-###'],
  RO: ['######'],
  RS: ['#####', '######'],
  RU: ['######'],
  SE: ['### ##'],
  SG: ['######'],
  SI: ['####'],
  SK: ['### ##'],
  TH: ['#####'],
  TR: ['#####'],
  UA: ['#####'],
  US: ['#####', '#####-####'],
  ZA: ['####'],
}

/** Signs that people put before a code for the country, where they are not its two letters (Vienna Convention, annex 3). */
const SIGNS: { readonly [country: string]: string | undefined } = {
  AT: 'A',
  BE: 'B',
  DE: 'D',
  ES: 'E',
  FR: 'F',
  HU: 'H',
  IT: 'I',
  LU: 'L',
  NO: 'N',
  PT: 'P',
  SE: 'S',
}

const CLASSES: { readonly [sign: string]: string | undefined } = { '#': '\\d', A: '[A-Z]', '?': '[A-Z0-9]' }

/**
 * The postal code of an address. Written in capitals, and spaces and dashes as its country has them; where the country's layout is
 * not known here, with single spaces. A sign for the country in front (`D-10117`) goes.
 */
export function readPostalCode(text: string, { country = '' }: Surroundings): Reading | Fault {
  const fault = 'not a postal code'
  if (text.length > LONGEST) return { fault, hint: 'it is too long' }
  const written = plain(text)
    .replace(/^〒\s*/u, '')
    .replace(/[\p{Pd}\u2212]/gu, '-')
    .toUpperCase()
  const layouts = Object.hasOwn(LAYOUTS, country) ? LAYOUTS[country] : undefined
  if (layouts === undefined) {
    return /^(?=.{2,12}$)[A-Z0-9]+(?:[ -][A-Z0-9]+)*$/.test(written)
      ? { text: written, tells: {} }
      : { fault, hint: 'it has at most 12 letters, digits, spaces and dashes' }
  }
  const sign = new RegExp(`^(?:${country}|${SIGNS[country] ?? country})[- ]?(?=.)`)
  for (const candidate of [written, written.replace(sign, '')]) {
    const bare = candidate.replace(/[- ]/g, '')
    const layout = layouts.find(one => patternOf(one).test(bare))
    if (layout !== undefined) return { text: laidOut(bare, layout), tells: {} }
  }
  return {
    fault: `${fault} of ${country}`,
    hint: `it looks like ${layouts.join(' or ')} (# a digit, A a letter); a spreadsheet may have dropped zeros in front`,
  }
}

function patternOf(layout: string): RegExp {
  const signs = [...layout.replace(/[- ]/g, '')]
  return new RegExp(`^${signs.map(sign => CLASSES[sign] ?? sign).join('')}$`)
}

function laidOut(bare: string, layout: string): string {
  const signs = bare[Symbol.iterator]()
  return [...layout].map(sign => (sign === ' ' || sign === '-' ? sign : signs.next().value)).join('')
}
