/** Sheets of labels as they are sold: where on the paper each label is. Lengths in mm. */
import { ChoiceError } from './errors.ts'

export interface Stock {
  readonly paper: 'A4' | 'Letter'
  readonly width: number
  readonly height: number
  readonly columns: number
  readonly rows: number
  readonly label: { readonly width: number; readonly height: number }
  /** From the paper's edge to the first label. */
  readonly left: number
  readonly top: number
  /** From one label's left edge to the next one's; rows have no gap. */
  readonly pitch: number
  /** Within a label, what stays white on each side: printers are off by a millimetre or two. */
  readonly white: { readonly x: number; readonly y: number }
}

const A4 = { paper: 'A4', width: 210, height: 297 } as const
const LETTER = { paper: 'Letter', width: 215.9, height: 279.4 } as const

/** By columns and rows. */
export const STOCKS: { readonly [name: string]: Stock } = {
  '3x8': {
    ...A4,
    columns: 3,
    rows: 8,
    label: { width: 70, height: 37 },
    left: 0,
    top: 0.5,
    pitch: 70,
    // The outer labels end where many printers cannot print.
    white: { x: 6, y: 4.5 },
  },
  '2x7': {
    ...A4,
    columns: 2,
    rows: 7,
    label: { width: 99.1, height: 38.1 },
    left: 4.65,
    top: 15.15,
    pitch: 101.6,
    white: { x: 5, y: 3 },
  },
  // Avery 5160: one inch by 2 5/8
  '3x10': {
    ...LETTER,
    columns: 3,
    rows: 10,
    label: { width: 66.675, height: 25.4 },
    left: 4.7625,
    top: 12.7,
    pitch: 69.85,
    white: { x: 3.5, y: 2 },
  },
}

/** By paper and how many labels are on it, as packets say it. */
const ALIASES: { readonly [name: string]: string } = { 'a4-24': '3x8', 'a4-14': '2x7', 'letter-30': '3x10' }

/** @throws ChoiceError for a sheet that is not known */
export function stockOf(name: string): Stock {
  const plain = name
    .trim()
    .toLowerCase()
    .replace(/[\s_]+/g, '-')
    .replace('×', 'x')
  const known = Object.hasOwn(ALIASES, plain) ? ALIASES[plain]! : plain
  if (Object.hasOwn(STOCKS, known)) return STOCKS[known]!
  throw new ChoiceError(
    `there is no sheet of labels ${name}`,
    'there are 3x8 or A4-24 (70 x 37 mm), 2x7 or A4-14 (99.1 x 38.1 mm), 3x10 or Letter-30 (66.7 x 25.4 mm)',
  )
}

/** How many labels are on a sheet. */
export function perSheet({ columns, rows }: Pick<Stock, 'columns' | 'rows'>): number {
  return columns * rows
}

/** Upper left corner of a label. @param position - from 0, row by row */
export function placeOf(stock: Stock, position: number): { left: number; top: number } {
  const column = position % stock.columns
  const row = Math.floor(position / stock.columns)
  return { left: stock.left + column * stock.pitch, top: stock.top + row * stock.label.height }
}
