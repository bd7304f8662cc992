/** What a check of a mapping against the live database finds. */

export interface Finding {
  /** A fault keeps `shop seal` from beginning; a note is for people. */
  readonly is: 'fault' | 'note'
  /** Table, or table and column. */
  readonly where: string
  readonly what: string
  /** What to do, SQL where that is the answer. */
  readonly hint?: string
}

export function fault(where: string, what: string, hint?: string): Finding {
  return { is: 'fault', where, what, ...(hint ? { hint } : {}) }
}

export function note(where: string, what: string, hint?: string): Finding {
  return { is: 'note', where, what, ...(hint ? { hint } : {}) }
}
