/** Debian control data, deb822(5): stanzas of `Field: value`, as Release files and package indices are written. */
import { ImageError } from '../errors.ts'

/** One stanza: values by field name in lower case; continuation lines joined by newlines, without their first blank. */
export type Stanza = ReadonlyMap<string, string>

const FIELD = /^([!-,./-9;-~][!-9;-~]*):(.*)$/

/**
 * Parses stanzas. Comment lines (`#`) are left out, as apt does.
 *
 * @throws ImageError where a line is neither a field, a continuation nor empty, or a field is there twice
 */
export function parseDeb822(text: string): Stanza[] {
  const stanzas: Stanza[] = []
  let stanza = new Map<string, string>()
  let field = ''
  const close = () => {
    if (stanza.size > 0) stanzas.push(stanza)
    stanza = new Map()
    field = ''
  }
  for (const line of text.split('\n')) {
    if (line.startsWith('#')) continue
    if (line.trim() === '') close()
    else if (line.startsWith(' ') || line.startsWith('\t')) {
      if (field === '') throw new ImageError(`control data: a continuation of nothing: ${shown(line)}`)
      stanza.set(field, `${stanza.get(field)}\n${line.slice(1).trimEnd()}`)
    } else {
      const [, name, value] = FIELD.exec(line) ?? []
      if (name === undefined) throw new ImageError(`control data: not a field: ${shown(line)}`)
      field = name.toLowerCase()
      if (stanza.has(field)) throw new ImageError(`control data: ${name} is there twice`)
      stanza.set(field, value!.trim())
    }
  }
  close()
  return stanzas
}

/** @throws ImageError where the stanza has no such field */
export function required(stanza: Stanza, field: string): string {
  const value = stanza.get(field)
  if (value === undefined) throw new ImageError(`control data: there is no field ${field}`)
  return value
}

const shown = (line: string) => JSON.stringify(line.slice(0, 60))
