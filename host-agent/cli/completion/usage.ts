/**
 * What a usage text says, as data: manual pages and shell completion are made from it, so that they say what `--help` says.
 *
 * Such a text is a block of forms (`claviger seal --field FIELD`), then blocks of items (two blanks, a term, its text behind it)
 * and paragraphs.
 */

/** A paragraph, or a list of terms with their texts. */
export type Block = { readonly is: 'text'; readonly lines: readonly string[] } | Items
/** Terms such as `--field FIELD`; a text may be empty. */
export interface Items {
  readonly is: 'items'
  readonly items: readonly { readonly term: string; readonly text: string }[]
}

/** The parts of a usage text. */
export interface Usage {
  /** Each form on a line of its own. */
  readonly forms: readonly string[]
  readonly blocks: readonly Block[]
}

/** One option of a command. */
export interface Option {
  /** With its hyphens. */
  readonly name: string
  /** What it takes, as the usage calls it; `null` where it takes nothing. */
  readonly value: string | null
  readonly text: string
}

const ITEM = /^ {2}\S/
const OPTION = /(?<![\w-])(--?[a-z][a-z-]*)(?:[ =]([A-Z][\w:=-]*|[a-z][\w-]*\|[\w|-]+))?/g
/** `--as NAME, --at ADDRESS, --json`: options that need no text. */
const BARE = /^ {2}(?:--?[a-z][a-z-]*(?: [A-Z]+)?(?:, |$))+$/

export function readUsage(usage: string): Usage {
  const [head = '', ...rest] = usage.trimEnd().split(/\n{2,}/)
  const forms: string[] = []
  for (const line of head.split('\n'))
    if (line.startsWith('claviger ')) forms.push(line)
    else forms.push(`${forms.pop() ?? ''} ${line.trim()}`)
  return { forms, blocks: rest.flatMap(readBlocks) }
}

/** Options in the forms and among the terms, each once, by name; what only a paragraph mentions is none. */
export function optionsOf({ forms, blocks }: Usage): Option[] {
  const found = new Map<string, Option>()
  const read = (source: string, text: string) => {
    for (const [, name, value = null] of source.matchAll(OPTION))
      found.set(name!, {
        name: name!,
        value: value ?? found.get(name!)?.value ?? null,
        text: text || found.get(name!)?.text || '',
      })
  }
  for (const form of forms) read(form, '')
  for (const block of blocks)
    if (block.is === 'items') for (const { term, text } of block.items) read(term, text)
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Words that may come right behind the name of a command, such as `list` behind `admin key`. */
export function verbsOf({ forms }: Usage, name: string): string[] {
  const start = `claviger ${name} `
  const verbs = forms.flatMap(form =>
    form.startsWith(start) ? (/^[a-z][a-z-]*(?= |$)/.exec(form.slice(start.length))?.[0] ?? []) : [],
  )
  return [...new Set(verbs)]
}

/** A list may follow a paragraph without an empty line, and the other way round: what is indented is the list. */
function readBlocks(part: string): Block[] {
  const runs: string[][] = []
  for (const line of part.split('\n')) {
    const run = runs.at(-1)
    if (run && run[0]!.startsWith('  ') === line.startsWith('  ')) run.push(line)
    else runs.push([line])
  }
  return runs.map(lines => (ITEM.test(lines[0]!) ? readItems(lines) : { is: 'text', lines }))
}

function readItems(lines: readonly string[]): Items {
  const column = textColumn(lines)
  const items: { term: string; text: string }[] = []
  for (const line of lines) {
    const last = items.at(-1)
    if (ITEM.test(line) || !last) items.push(splitItem(line, column))
    else last.text = `${last.text} ${line.trim()}`.trim()
  }
  return { is: 'items', items }
}

/** Where most texts of a list begin. */
function textColumn(lines: readonly string[]): number {
  const counts = new Map<number, number>()
  for (const line of lines) {
    const column = /^ {2}\S+(?: \S+)*? {2,}(?=\S)/.exec(line)?.[0].length
    if (column !== undefined) counts.set(column, (counts.get(column) ?? 0) + 1)
  }
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0] ?? 0
}

/** A term that is as long as its column has one blank behind it; a longer one has two. */
function splitItem(line: string, column: number): { term: string; text: string } {
  const gap = BARE.test(line) ? -1 : line.search(/(?<=\S) {2,}\S/)
  const isFull = column > 0 && /^\S \S/.test(line.slice(column - 2, column + 1)) && !BARE.test(line)
  const at = gap >= 0 && gap < column ? gap : isFull ? column : gap >= 0 ? gap : line.length
  return { term: line.slice(0, at).trim(), text: line.slice(at).trim() }
}
