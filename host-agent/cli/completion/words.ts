/** What a shell can offer at each place of the command line: the table of commands and their usage texts as one list. */
import type { Command } from '../command.ts'
import { type Option, optionsOf, readUsage, verbsOf } from './usage.ts'

/** One command, or a first word that several commands share, such as `admin`; the name of all together is empty. */
export interface Place {
  readonly name: string
  /** Words that may come next, with what they do where that is known. */
  readonly next: readonly { readonly word: string; readonly text: string }[]
  readonly options: readonly Option[]
}

const HELP: Option = { name: '--help', value: null, text: 'say more about this command' }

/** @param commands by name, such as `admin key`; the longest names come first in the list */
export function placesOf(commands: ReadonlyMap<string, Command>): Place[] {
  const places = new Map<string, Place>()
  for (const [name, command] of commands) {
    const usage = readUsage(command.usage)
    places.set(name, {
      name,
      next: verbsOf(usage, name).map(word => ({ word, text: '' })),
      options: [...optionsOf(usage), HELP],
    })
  }
  for (const [name, { summary }] of commands) {
    const words = name.split(' ')
    for (let length = words.length - 1; length >= 0; length--) {
      const above = words.slice(0, length).join(' ')
      const word = words[length]!
      const place = places.get(above) ?? { name: above, next: [], options: [] }
      if (place.next.some(each => each.word === word)) continue
      const text = length === words.length - 1 ? summary : `${[above, word].join(' ').trim()} …`
      places.set(above, { ...place, next: [...place.next, { word, text }] })
    }
  }
  const top = places.get('')!
  const more = [
    { word: 'help', text: 'list the commands' },
    { word: '--version', text: 'print the version' },
  ]
  places.set('', { ...top, next: [...top.next, ...more] })
  return [...places.values()].sort((a, b) => b.name.length - a.name.length)
}
