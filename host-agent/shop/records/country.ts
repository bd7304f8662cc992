/** Countries: the two letters of ISO 3166-1, or a name that a shop's form has offered. */
import { type Fault, LONGEST, plain, type Reading } from './reading.ts'

/** What CLDR names beside countries: islands without letters of their own, unions, and letters for tests. */
const NOT_COUNTRIES = new Set('AC CP CQ DG EA EU EZ IC QO TA UN XA XB ZZ'.split(' '))

/** Languages whose names are understood, as ICU has them. */
const LANGUAGES = ['en', 'de', 'fr', 'es', 'pt', 'it', 'nl', 'pl', 'sv', 'ja', 'zh', 'ko']

/** Names that forms have and CLDR has not, or has not any more. */
const ALIASES: { [name: string]: string } = {
  uk: 'GB',
  england: 'GB',
  scotland: 'GB',
  wales: 'GB',
  'northern ireland': 'GB',
  'great britain': 'GB',
  usa: 'US',
  'united states of america': 'US',
  eeuu: 'US',
  'ee uu': 'US',
  'the netherlands': 'NL',
  holland: 'NL',
  'czech republic': 'CZ',
  turkey: 'TR',
  'republic of korea': 'KR',
  'russian federation': 'RU',
  'viet nam': 'VN',
  'hong kong': 'HK',
  macau: 'MO',
  macedonia: 'MK',
  swaziland: 'SZ',
  'ivory coast': 'CI',
  'cape verde': 'CV',
  deutschland: 'DE',
  brasil: 'BR',
  日本国: 'JP',
}

/**
 * A country by its two letters, or its name in one of twelve languages. Written as the two letters. Letters of countries that are no
 * more (`AN`, `CS`, `SU`) are refused: several took their place.
 */
export function readCountry(text: string): Reading | Fault {
  const hint = 'write the two letters of ISO 3166-1, such as DE'
  if (text.length > LONGEST) return { fault: 'too long for a country', hint }
  const written = plain(text)
  const code = written.toUpperCase()
  const found = isCode(code) ? code : codesByName().get(folded(written))
  return found === undefined ? { fault: 'there is no such country', hint } : { text: found, tells: {} }
}

/** True for two capitals that stand for a country today. */
function isCode(text: string): boolean {
  if (!/^[A-Z]{2}$/.test(text) || NOT_COUNTRIES.has(text)) return false
  // ICU knows those of old too, and puts another in their place.
  return new Intl.Locale(`und-${text}`).region === text && namesIn('en').of(text) !== undefined
}

let known: ReadonlyMap<string, string> | undefined

/** Made when it is first asked: some 3,000 names, a few milliseconds. */
function codesByName(): ReadonlyMap<string, string> {
  if (known) return known
  const letters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ']
  const codes = letters.flatMap(a => letters.map(b => a + b)).filter(isCode)
  const names = new Map<string, string>()
  const ambiguous = new Set<string>()
  for (const language of LANGUAGES) {
    const inLanguage = namesIn(language)
    for (const code of codes) {
      const name = folded(inLanguage.of(code)!)
      if ((names.get(name) ?? code) !== code) ambiguous.add(name)
      names.set(name, code)
    }
  }
  for (const name of ambiguous) names.delete(name)
  for (const [name, code] of Object.entries(ALIASES)) names.set(folded(name), code)
  known = names
  return names
}

function namesIn(language: string): Intl.DisplayNames {
  return new Intl.DisplayNames([language], { type: 'region', fallback: 'none' })
}

/** A name without accents, dots, apostrophes and capitals. */
function folded(name: string): string {
  return name.normalize('NFKD').replace(/\p{M}/gu, '').replace(/[’'.]/g, '').toLowerCase()
}
