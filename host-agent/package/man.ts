/** Manual pages of the commands, from their own usage texts. man(7), groff_man(7). */
import type { Command } from '../cli/command.ts'
import { type Block, readUsage } from '../cli/completion/usage.ts'

/** What every page says at its edges. */
export interface Edition {
  readonly version: string
  /** ISO day. */
  readonly day: string
}

const OVERVIEW = [
  'Claviger keeps the private key of a web shop in a device that the shop cannot reach. The shop seals fields with a public key; people',
  'at enrolled machines open single ones, for a purpose.',
]
const FILES: readonly (readonly [term: string, text: string])[] = [
  ['$CLAVIGER_HOME', 'enrolments and settings.json of this user; ~/.config/claviger unless it is set'],
  ['/usr/share/doc/claviger/docs', 'how to install, run and understand it'],
  ['/usr/lib/claviger/seal', 'sealing for the shop’s server, in PHP and in Python'],
]

/** @returns text of each page by its name, such as `claviger-shop.1`: one for all, and one for each first word of a command */
export function manualPages(commands: ReadonlyMap<string, Command>, edition: Edition): Map<string, string> {
  const groups = Map.groupBy(commands, ([name]) => name.split(' ')[0]!)
  const pages = new Map([['claviger.1', mainPage(commands, [...groups.keys()], edition)]])
  for (const [word, members] of groups) pages.set(`claviger-${word}.1`, groupPage(word, members, edition))
  return pages
}

function mainPage(
  commands: ReadonlyMap<string, Command>,
  words: readonly string[],
  edition: Edition,
): string {
  return join([
    head('claviger', 'keeper of the key of a web shop: the command line', edition),
    '.SH SYNOPSIS',
    form('claviger COMMAND [OPTIONS]'),
    form('claviger help'),
    form('claviger --version'),
    '.SH DESCRIPTION',
    ...OVERVIEW.map(roff),
    '.SH COMMANDS',
    ...[...commands].map(([name, { summary }]) => item(name, summary)),
    '.SH FILES',
    ...FILES.map(([term, text]) => item(term, text)),
    '.SH EXIT STATUS',
    roff('0 for success, 1 for a refusal or a failure, 2 for a command line that makes no sense.'),
    seeAlso(words.map(word => `claviger-${word}`)),
  ])
}

function groupPage(word: string, members: readonly [string, Command][], edition: Edition): string {
  const [first] = members
  const summary =
    members.length === 1 || first![0] === word ? first![1].summary : `commands below claviger ${word}`
  const read = members.map(([name, { usage, summary }]) => ({ name, summary, ...readUsage(usage) }))
  const several = read.length > 1
  return join([
    head(`claviger-${word}`, summary, edition),
    '.SH SYNOPSIS',
    ...[...new Set(read.flatMap(({ forms }) => forms))].map(form),
    '.SH DESCRIPTION',
    ...read.flatMap(({ name, summary, blocks }) => [
      ...(several
        ? [`.SS ${roff(`claviger ${name}`)}`, `${roff(summary)}.`]
        : blocks.length
          ? []
          : [`${roff(summary)}.`]),
      ...blocks.flatMap(writeBlock),
    ]),
    seeAlso(['claviger']),
  ])
}

function head(name: string, summary: string, { version, day }: Edition): string {
  const title = `.TH ${roff(name.toUpperCase())} 1 "${day}" "claviger ${version}" "Claviger"`
  return `${title}\n.SH NAME\n${roff(name)} \\- ${roff(summary)}`
}

/** A heading begins a paragraph by itself. */
function join(lines: readonly string[]): string {
  return lines.join('\n').replace(/^(\.S[HS] .*)\n\.PP$/gm, '$1')
}

/** A form is one line, whatever its length: the formatter breaks it. */
function form(text: string): string {
  return `.PP\n\\fB${roff(text)}\\fR`
}

function writeBlock(block: Block): string[] {
  if (block.is === 'text') return ['.PP', ...block.lines.map(line => roff(line))]
  return block.items.map(({ term, text }) => item(term, text))
}

function item(term: string, text: string): string {
  return `.TP\n\\fB${roff(term)}\\fR\n${roff(text) || '\\&'}`
}

function seeAlso(names: readonly string[]): string {
  return `.SH SEE ALSO\n${names.map(name => `.BR ${roff(name)} (1)`).join(',\n')}\n`
}

/** What roff would read as a request, an escape or a dash of another kind, as it is. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/['’]/g, character => (character === "'" ? '\\(aq' : '\\(cq'))
    .replaceAll('…', '...')
    .replaceAll('–', '\\(en')
    .replace(/^([. ])/, '\\&$1')
}
