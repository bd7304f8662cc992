/**
 * Notes of a run as the rows of a page. A row is a program with the versions that did the same; versions that did something else have a row
 * of their own. Pure.
 */
import { DOORS, type Door, type Note } from '../support/compatibility.ts'

export interface Row {
  door: Door
  program: string
  /** Oldest first. */
  versions: readonly string[]
  /** What it did, and what it can not do, each with why: sentences without a full stop, in their order. */
  works: readonly string[]
  fails: readonly string[]
}

/** What a run noted. */
export interface Noted {
  notes: readonly Note[]
  /** Programs that could not be had, which was no fault. */
  absent: readonly Pick<Note, 'door' | 'program'>[]
}

/** @param text - lines as `noteProgram` and `noteAbsence` write them */
export function readNotes(text: string): Noted {
  const lines = text
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line) as Note & { absent?: true })
  return { notes: lines.filter(line => !line.absent), absent: lines.filter(line => line.absent) }
}

/** Sorted by door, program and version. Whatever order the notes came in, and however often one came, the rows are the same. */
export function rowsOf(notes: readonly Note[]): Row[] {
  const rows: Row[] = []
  for (const door of DOORS) {
    const atDoor = notes.filter(note => note.door === door)
    for (const program of sorted(atDoor.map(note => note.program))) {
      const own = atDoor.filter(note => note.program === program)
      rows.push(...rowsOfProgram(own).map(row => ({ door, program, ...row })))
    }
  }
  return rows
}

function rowsOfProgram(notes: readonly Note[]): Pick<Row, 'versions' | 'works' | 'fails'>[] {
  const groups = new Map<string, { versions: string[]; works: string[]; fails: string[] }>()
  for (const version of sorted(notes.map(note => note.version))) {
    const own = notes.filter(note => note.version === version)
    const works = sorted(own.filter(note => note.why === undefined).map(note => note.does))
    const fails = sorted(own.flatMap(({ does, why }) => (why === undefined ? [] : [`${does}: ${why}`])))
    const group = JSON.stringify([works, fails])
    const found = groups.get(group)
    if (found) found.versions.push(version)
    else groups.set(group, { versions: [version], works, fails })
  }
  return [...groups.values()]
}

/** Each once; numbers in them count as numbers. The language is fixed, so that every machine has one order. */
function sorted(texts: readonly string[]): string[] {
  const collator = new Intl.Collator('en', { numeric: true })
  return [...new Set(texts)].sort((a, b) => collator.compare(a, b) || (a < b ? -1 : 1))
}
