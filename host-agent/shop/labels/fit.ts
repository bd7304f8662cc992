/**
 * How large the text of a label can be and where its lines break, so that all of it is on the label. The page runs no script that could
 * measure, so widths are estimated, and rather too wide: what a browser's font makes wider all the same, it breaks once more.
 */

/** Sizes in points, largest first. Below the last nobody reads an address. */
const LARGEST = 11
const SMALLEST = 5
const STEP = 0.5
/** Down to this size, text is made smaller before a line is broken. */
const SMALLEST_UNBROKEN = 8
/** Of the size. */
export const LINE_HEIGHT = 1.15
const POINTS_PER_MM = 72 / 25.4
/** For fonts that are wider than the one that was measured. */
const SLACK = 1.06

/** Text as it goes on a label. */
export interface Fitted {
  /** Points. */
  readonly size: number
  readonly lines: readonly string[]
}

/**
 * @param width - and height: room for the text, mm
 * @returns `null` where it does not fit in the smallest size
 */
export function fit(lines: readonly string[], width: number, height: number): Fitted | null {
  const texts = lines
    .flatMap(line => line.split(/[\r\n\u2028\u2029]+/))
    .map(text => text.trim())
    .filter(Boolean)
  const sizes: number[] = []
  for (let size = LARGEST; size >= SMALLEST; size -= STEP) sizes.push(size)
  const isHighEnough = (count: number, size: number) => count * size * LINE_HEIGHT <= height * POINTS_PER_MM
  const ems = (size: number) => (width * POINTS_PER_MM) / (size * SLACK)
  const widest = Math.max(0, ...texts.map(widthOf))
  for (const size of sizes)
    if (size >= SMALLEST_UNBROKEN && widest <= ems(size) && isHighEnough(texts.length, size))
      return { size, lines: texts }
  for (const size of sizes) {
    // Lines only get more from here on, and a text of 64 KiB is not broken to see that.
    if (!isHighEnough(texts.length, size)) continue
    if (texts.reduce((sum, text) => sum + text.length, 0) > MOST_CHARACTERS) return null
    const broken = texts.flatMap(text => breakLine(text, ems(size)))
    if (isHighEnough(broken.length, size)) return { size, lines: broken }
  }
  return null
}

/** More than the largest label takes in the smallest size. */
const MOST_CHARACTERS = 5000

const NARROW = /[ijlI'|.,:;!()[\]/\\ft\-` ]/
const WIDE = /[mwMW@%—…]/
const INVISIBLE = /[\p{Mn}\p{Me}\p{Cf}]/u
/** A square each: what East Asia writes, and pictures. */
const SQUARE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\u3000-\u30ff\uff00-\uff60\uffe0-\uffe6\p{Extended_Pictographic}]/u

/** Estimated width in ems, after the metrics of Arial and Liberation Sans. */
export function widthOf(text: string): number {
  let width = 0
  for (const character of text) width += characterWidth(character)
  return width
}

function characterWidth(character: string): number {
  if (NARROW.test(character)) return 0.34
  if (WIDE.test(character)) return 1.02
  if (/[A-Z&]/.test(character)) return 0.75
  if (/[\x20-\x7e]/.test(character)) return 0.57
  if (INVISIBLE.test(character)) return 0
  if (SQUARE.test(character)) return 1.02
  return /\p{Lu}/u.test(character) ? 0.8 : 0.7
}

const GRAPHEMES = new Intl.Segmenter('und', { granularity: 'grapheme' })

/** Breaks a line between words, and a word only where it is longer than a line. @param most - ems */
function breakLine(text: string, most: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.trim().split(/[^\S\u00a0]+/)) {
    const joined = line === '' ? word : `${line} ${word}`
    if (widthOf(joined) <= most) {
      line = joined
      continue
    }
    if (line !== '') lines.push(line)
    line = ''
    for (const { segment } of widthOf(word) <= most ? [{ segment: word }] : GRAPHEMES.segment(word)) {
      if (line !== '' && widthOf(line + segment) > most) {
        lines.push(line)
        line = ''
      }
      line += segment
    }
  }
  return line === '' ? lines : [...lines, line]
}
