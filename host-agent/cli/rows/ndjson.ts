/** Tables in NDJSON: one JSON object on each line. What is not replaced stays as it is written. */
import { isUtf8 } from 'node:buffer'
import { type Property, propertiesOf } from './json-object.ts'
import { LineCutter, type TextLine } from './lines.ts'
import {
  type Cell,
  ERROR_COLUMN,
  type GoodRow,
  joinErrors,
  type ReadOptions,
  type Row,
  type RowCode,
  type RowFormat,
} from './row.ts'

/** The property that holds a bad row's text. */
export const TEXT_PROPERTY = 'claviger_row'

const BYTE_ORDER_MARK = '\ufeff'

export const ndjson: RowFormat = { encoding: 'utf8', read }

async function* read(source: AsyncIterable<Uint8Array>, options: ReadOptions): AsyncGenerator<Row[]> {
  const cutter = new LineCutter()
  let isFirst = true
  const rowsOf = (lines: TextLine[]): Row[] =>
    lines.flatMap(line => {
      const rows = readRow(line, options, isFirst)
      isFirst = false
      return rows
    })
  for await (const chunk of source) {
    const rows = rowsOf(cutter.push(chunk))
    if (rows.length > 0) yield rows
  }
  yield rowsOf(cutter.end())
}

function readRow({ bytes, end }: TextLine, options: ReadOptions, isFirst: boolean): Row[] {
  if (bytes === null) return [badRow('too-large', '', end, options)]
  const decoded = bytes.toString('utf8')
  const mark = isFirst && decoded.startsWith(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK : ''
  const rows: Row[] = mark ? [{ kind: 'plain', text: mark, end: 3 }] : []
  const line = decoded.slice(mark.length)
  const text = line.replace(/\r?\n$/, '')
  if (text.trim() === '') return [...rows, { kind: 'plain', text: line, end }]
  const properties = isUtf8(bytes) ? readObject(text, options.needed) : null
  if (!properties) return [...rows, badRow('malformed-row', text, end, options)]
  return [...rows, goodRow(text, line.slice(text.length) || '\n', properties, end)]
}

/** @returns `null` for text that is no object, or in which a property that matters is there twice */
function readObject(text: string, needed: readonly string[]): Map<string, Property> | null {
  let properties: Property[] | null
  try {
    JSON.parse(text)
    properties = propertiesOf(text)
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
  if (!properties) return null
  const found = new Map<string, Property>()
  for (const property of properties) {
    if (!needed.includes(property.name) && property.name !== ERROR_COLUMN) continue
    if (found.has(property.name)) return null
    found.set(property.name, property)
  }
  return found
}

function badRow(fault: RowCode, text: string, end: number, { keepBadRows }: ReadOptions): Row {
  const kept = keepBadRows && text !== '' ? { [TEXT_PROPERTY]: text } : {}
  return { kind: 'bad', fault, end, text: `${JSON.stringify({ ...kept, [ERROR_COLUMN]: fault })}\n` }
}

function goodRow(text: string, lineEnd: string, properties: Map<string, Property>, end: number): GoodRow {
  return {
    kind: 'row',
    end,
    cell: name => readCell(text, properties.get(name)),
    write(values, errors) {
      const changes = [...values].flatMap(([name, value]) => {
        const property = properties.get(name)
        return property ? [{ ...property, text: JSON.stringify(value) }] : []
      })
      let behind = ''
      if (errors.length > 0) {
        const property = properties.get(ERROR_COLUMN)
        const earlier = readCell(text, property)
        const value = JSON.stringify(joinErrors(earlier && 'text' in earlier ? earlier.text : '', errors))
        if (property) changes.push({ ...property, text: value })
        else behind = `${/^\s*\{\s*\}\s*$/.test(text) ? '' : ','}"${ERROR_COLUMN}":${value}`
      }
      changes.sort((a, b) => a.start - b.start)
      let written = ''
      let at = 0
      for (const change of changes) {
        written += text.slice(at, change.start) + change.text
        at = change.end
      }
      const close = text.lastIndexOf('}')
      return written + text.slice(at, close) + behind + text.slice(close) + lineEnd
    },
  }
}

function readCell(text: string, property: Property | undefined): Cell {
  if (!property) return { fault: 'missing-column' }
  const source = text.slice(property.start, property.end)
  if (source === 'null' || source === '""') return null
  if (source[0] === '"') {
    const value = JSON.parse(source) as string
    return value.isWellFormed() ? { text: value } : { fault: 'not-text' }
  }
  // A number is its digits as they are written: parsing would round a long one.
  return /^[-\d]/.test(source) ? { text: source } : { fault: 'not-text' }
}
