/** What somebody pasted into the page: a token, or the JSON that a shop shows. */

/** As `reveal` takes it. */
export interface Item {
  ciphertext: string
  context: { field: string; record: string }
  key?: string
}

export type Pasted =
  | { is: 'items'; items: Item[] }
  /** A token without its context. */
  | { is: 'token'; ciphertext: string }
  | { is: 'fault'; fault: 'empty' | 'json' | 'token' | 'context' | 'many' }

const MOST = 100
const TOKEN = /^clv1\.[a-z]\.[a-z0-9][a-z0-9.-]{0,31}\.[1-9][0-9]{0,9}\.[A-Za-z0-9_-]+$/

/** Reads a token, `{"ciphertext","context"}`, a list of those, or one a line. */
export function readPasted(text: string): Pasted {
  const trimmed = text.replace(/^\ufeff/, '').trim()
  if (trimmed === '') return { is: 'fault', fault: 'empty' }
  if (!/^[[{]/.test(trimmed)) {
    // mail programs break long lines
    const whole = trimmed.replace(/\s+/g, '')
    return TOKEN.test(whole) ? { is: 'token', ciphertext: whole } : { is: 'fault', fault: 'token' }
  }
  const values = parsed(trimmed) ?? parsedLines(trimmed)
  if (!values) return { is: 'fault', fault: 'json' }
  if (values.length === 0) return { is: 'fault', fault: 'empty' }
  if (values.length > MOST) return { is: 'fault', fault: 'many' }
  const items = values.map(readItem)
  const fault = items.find(item => typeof item === 'string')
  return fault ? { is: 'fault', fault } : { is: 'items', items: items as Item[] }
}

function parsed(text: string): unknown[] | null {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value : [value]
  } catch {
    return null
  }
}

function parsedLines(text: string): unknown[] | null {
  const lines = text.split('\n').filter(line => line.trim() !== '')
  const values = lines.map(parsed)
  return values.includes(null) ? null : values.flatMap(value => value!)
}

function readItem(value: unknown): Item | 'token' | 'context' {
  const { ciphertext, context, key } = Object(value) as {
    ciphertext?: unknown
    context?: { field?: unknown; record?: unknown }
    key?: unknown
  }
  if (typeof ciphertext !== 'string' || ciphertext === '') return 'token'
  const { field, record } = Object(context) as { field?: unknown; record?: unknown }
  if (typeof field !== 'string' || typeof record !== 'string' || field === '') return 'context'
  return { ciphertext, context: { field, record }, ...(typeof key === 'string' ? { key } : {}) }
}

/** `card.number orders/17`: the field up to the first space, then the record. @returns `null` for what has no field */
export function readContext(text: string): { field: string; record: string } | null {
  const [, field, record = ''] = /^\s*(\S+)(?:\s+(.*?))?\s*$/s.exec(text) ?? []
  return field === undefined ? null : { field, record }
}
