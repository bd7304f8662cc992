/** What becomes of one piece of a row: sealed, left as it is, or refused. Pure but for the randomness of sealing. */
import { ClavigerError } from '../../../protocol/api/errors.ts'
import { parseToken } from '../../../protocol/envelope/token.ts'
import type { Seal } from '../../seal/seal.ts'
import type { Cell } from '../database/database.ts'
import type { Piece } from '../mapping/piece.ts'
import type { BlindIndex } from '../records/blind-index.ts'
import type { RecordTypes } from '../records/declaration.ts'
import { RecordError } from '../records/errors.ts'
import { type Parts, split } from '../records/record.ts'
import type { RowFault } from './codes.ts'

/** How tokens begin, whatever follows. A shop's own values never do. */
const TOKEN_START = 'clv1.'

/** What pieces are planned with. */
export interface Sealing {
  readonly seal: Seal
  /** Name of the key that tokens are of. */
  readonly keyName: string
  readonly types: RecordTypes
  /** Of a column of a blind index. */
  readonly indexOf: (column: string) => BlindIndex
  /** Whether a column takes NULL. */
  readonly isNullable: (column: string) => boolean
}

/** What becomes of a piece. */
export type PiecePlan =
  /** Nothing is in it. */
  | { readonly is: 'empty' }
  /** It is sealed already. */
  | { readonly is: 'sealed' }
  | { readonly is: 'open'; readonly values: ReadonlyMap<string, Cell> }
  | { readonly is: 'refused'; readonly fault: RowFault; readonly where: string }

/**
 * @param cells - of the row, by column
 * @param record - name of the record that its tokens are bound to
 */
export function planPiece(
  piece: Piece,
  cells: ReadonlyMap<string, Cell>,
  record: string,
  sealing: Sealing,
): PiecePlan {
  const targets = [...piece.sealed.values()].map(({ column }) => column)
  let tokens = 0
  for (const column of targets) {
    const text = cells.get(column) ?? ''
    if (!text.startsWith(TOKEN_START)) continue
    const fault = tokenFault(text, sealing.keyName)
    if (fault) return { is: 'refused', fault, where: column }
    tokens++
  }
  const isToken = (text: string) => text.startsWith(TOKEN_START)
  const texts = new Map<string, string>()
  for (const [input, column] of piece.inputs) {
    const text = cells.get(column) ?? ''
    if (text !== '' && !(targets.includes(column) && isToken(text))) texts.set(input, text)
  }
  const readable = [...piece.readable.values()]
  const isOpen = [...texts.keys()].some(input => !readable.includes(piece.inputs.get(input)!))
  const sources = [...piece.inputs.values()]
  const occupied = targets.find(
    column => !sources.includes(column) && cells.get(column) && !isToken(cells.get(column)!),
  )
  if (occupied !== undefined) return { is: 'refused', fault: 'occupied', where: occupied }
  if (!isOpen) return { is: tokens > 0 ? 'sealed' : 'empty' }
  if (tokens > 0) return { is: 'refused', fault: 'mixed', where: piece.name }
  try {
    const parts = partsOf(piece, texts, cells, sealing.types)
    return { is: 'open', values: valuesOf(piece, parts, record, sealing) }
  } catch (error) {
    return refusal(error, piece)
  }
}

/** @returns what is wrong with a token, `null` for one of ours */
export function tokenFault(text: string, keyName: string): 'bad-token' | 'other-key' | null {
  try {
    return parseToken(text).key === keyName ? null : 'other-key'
  } catch {
    return 'bad-token'
  }
}

function partsOf(
  { type, country }: Piece,
  texts: ReadonlyMap<string, string>,
  cells: ReadonlyMap<string, Cell>,
  types: RecordTypes,
): Parts {
  if (type === null) return { sealed: { text: texts.get('text')! }, readable: {} }
  const where = country && ('code' in country ? country.code : cells.get(country.column))
  return split(type, Object.fromEntries(texts), { types, ...(where ? { country: where } : {}) })
}

function valuesOf(piece: Piece, parts: Parts, record: string, sealing: Sealing): Map<string, Cell> {
  const nothing = (column: string): Cell => (sealing.isNullable(column) ? null : '')
  const values = new Map<string, Cell>()
  for (const column of piece.emptied) values.set(column, nothing(column))
  for (const [part, column] of piece.readable) values.set(column, parts.readable[part] ?? nothing(column))
  for (const [part, { column, field }] of piece.sealed) {
    const text = parts.sealed[part]
    values.set(column, text === undefined ? nothing(column) : sealing.seal({ field, record }, text))
    const index = piece.indexes.get(part)
    if (index)
      values.set(
        index.column,
        text === undefined ? nothing(index.column) : sealing.indexOf(index.column)(text),
      )
  }
  return values
}

/** Messages of records name type and input, and never quote a text. */
function refusal(error: unknown, { name }: Piece): PiecePlan {
  if (error instanceof RecordError)
    return { is: 'refused', fault: 'refused', where: `${name}: ${error.message}` }
  if (!(error instanceof ClavigerError)) throw error
  const fault = error.code === 'bad-token' ? 'too-long' : 'unsealable'
  return { is: 'refused', fault, where: `${name}: ${error.message}` }
}
