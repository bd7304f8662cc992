/** Which language the page speaks, and the words of it. */
import { keep, kept } from '../kept.ts'
import type { Words } from './en.ts'

/** Each is fetched when somebody speaks it. */
const LANGUAGES = {
  en: async (): Promise<Words> => (await import('./en.ts')).en,
  es: async (): Promise<Words> => (await import('./es.ts')).es,
}
export type Language = keyof typeof LANGUAGES
export const LANGUAGE_NAMES = { en: 'English', es: 'Español' }

const KEPT = 'claviger-language'

/** The first of the person's languages that there is. */
export function chooseLanguage(before: string | null, wanted: readonly string[]): Language {
  const known = [before ?? '', ...wanted].map(tag => tag.slice(0, 2).toLowerCase())
  return known.find((tag): tag is Language => Object.hasOwn(LANGUAGES, tag)) ?? 'en'
}

export let language: Language = chooseLanguage(kept(KEPT), navigator.languages)
/** The words of the language that was chosen. */
export let words: Words = await LANGUAGES[language]()
document.documentElement.lang = language

/** The person's own way to write times and numbers, in the language that was chosen. */
const locale = () => navigator.languages.find(tag => tag.slice(0, 2).toLowerCase() === language) ?? language

export async function setLanguage(chosen: Language): Promise<void> {
  keep(KEPT, chosen)
  words = await LANGUAGES[chosen]()
  language = chosen
  document.documentElement.lang = chosen
}

/** Words for a code, `null` where there are none. */
export function errorWords(code: string): readonly string[] | null {
  return Object.hasOwn(words.errors, code) ? words.errors[code as keyof Words['errors']] : null
}

/** @param iso - time; on another day than today with the day */
export function timeOf(iso: string | number, withSeconds = false): string {
  const date = new Date(iso)
  const isToday = date.toDateString() === new Date().toDateString()
  const options: Intl.DateTimeFormatOptions = { hour: '2-digit', minute: '2-digit' }
  if (withSeconds) options.second = '2-digit'
  if (!isToday) Object.assign(options, { day: 'numeric', month: 'short' })
  return new Intl.DateTimeFormat(locale(), options).format(date)
}

export function numberOf(value: number, digits = 0): string {
  return new Intl.NumberFormat(locale(), { maximumFractionDigits: digits }).format(value)
}
