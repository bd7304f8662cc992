/** What it is to read one input: text in, its one way of being written out, and what can be told of it. */

/** What the text of an input says. */
export interface Reading {
  /** The text in its one way of being written: reading it again gives the same. */
  readonly text: string
  /** What can stay readable when the text is sealed, by name; absent where this text does not say it. */
  readonly tells: { readonly [what: string]: string | undefined }
}

/** Why a text cannot be read. Neither of the two quotes the text: they end up in logs. */
export interface Fault {
  readonly fault: string
  readonly hint: string
}

/** What the surroundings of an input say. */
export interface Surroundings {
  /** Two letters of ISO 3166-1: the country of the record, or the one that the shop's customers are in. */
  readonly country?: string | undefined
}

/** Reads an input, never throws. */
export type Read = (text: string, surroundings: Surroundings) => Reading | Fault

/** Longest text, in UTF-16 units, of an input that has a grammar. */
export const LONGEST = 256

/**
 * Text as it was meant: full-width digits and letters become ordinary ones (NFKC), marks that cannot be seen and came along
 * from a web page are dropped, each run of white space is one space.
 */
export function plain(text: string): string {
  const visible = text.normalize('NFKC').replace(/\p{Cf}/gu, '')
  return visible.replace(/\s+/g, ' ').trim()
}

/** {@link plain}, in capitals, without spaces and dashes of any kind. */
export function compact(text: string): string {
  return plain(text)
    .replace(/[\s\p{Pd}\u2212]/gu, '')
    .toUpperCase()
}

/**
 * The last four of a number, where as many or more stay sealed: of a short number they would be most of it.
 *
 * @returns `undefined` for fewer than eight letters and digits
 */
export function lastFour(number: string): string | undefined {
  const signs = number.replace(/[^A-Z0-9]/g, '')
  return signs.length < 8 ? undefined : signs.slice(-4)
}
