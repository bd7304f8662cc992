/** `docs/compatibility.md`: written from rows, and read again to be held against a run. Pure. */
import type { Door } from '../support/compatibility.ts'
import { type Noted, type Row, rowsOf } from './rows.ts'

/** What stands around the table of a door. */
interface Chapter {
  title: string
  before: string
  /** What was not tried, where somebody would look for it. */
  after?: string
}

const CHAPTERS: Readonly<Record<Door, Chapter>> = {
  age: {
    title: 'age',
    before: 'Files for a key that was made with `--files`: [files, with age](age.md).',
    after: 'Not tried: macOS and Windows.',
  },
  'PKCS#11': {
    title: 'PKCS#11',
    before:
      'Programs that load `p11-kit-client.so`, with the tokens of `claviger pkcs11`: [your keys as a token](pkcs11.md).',
    after: 'Not tried: Java, NSS and Python.',
  },
  JWE: {
    title: 'JWE',
    before:
      'What is encrypted to a key of the device, and opens: [foreign ciphertexts](formats/foreign.md#jwe).',
  },
  'sealed boxes': {
    title: 'Sealed boxes',
    before: 'libsodium’s `crypto_box_seal`: [foreign ciphertexts](formats/foreign.md#sealed-boxes).',
    after: 'Not tried: `libsodium-wrappers` of npm.',
  },
  REST: { title: 'REST', before: 'Programs that ask the device over the LAN: [the API](api.md).' },
  'HPKE tokens': {
    title: 'HPKE tokens, and RSA of old shops',
    before:
      'What a shop’s server seals: [fields](formats/envelope.md) with our file for its language; and what it encrypted before, with RSA, for a key that was [imported](keys.md).',
  },
  databases: {
    title: 'Databases',
    before: 'Where `claviger shop` seals in place: [the shop’s database](shop-database.md).',
    after: 'Not tried: MySQL of Oracle.',
  },
  browsers: {
    title: 'Browsers',
    before: 'For [the staff’s page](staff-page.md), and fields in the shop’s own pages.',
    after: 'Not tried: Firefox and Safari.',
  },
}

const INTRODUCTION = `# Does my program work with it?

Programs of others that the tests run against a device, or against the code that opens: in which version, what they did, and what they can not do. A program, a
version or a deed that is not here was not tried, and may work all the same.

Nobody writes this page. Each entry is noted by a test that passed, and the version is what the program or its package said in that run. \`npm run compatibility\`
runs those tests and makes the page; where all of these programs are installed (\`.ci/run\`), \`npm test\` fails if the page says something else than the tests.
`

const HEAD = '| program | version tested | what works | what does not, and why |\n|---|---|---|---|'

/** @returns Markdown */
export function formatPage(rows: readonly Row[]): string {
  const chapters = Object.entries(CHAPTERS).flatMap(([door, { title, before, after }]) => {
    const own = rows.filter(row => row.door === door)
    if (own.length === 0) return []
    const table = [HEAD, ...own.map(formatRow)].join('\n')
    return [`\n## ${title}\n\n${before}\n\n${table}\n${after ? `\n${after}\n` : ''}`]
  })
  return INTRODUCTION + chapters.join('')
}

function formatRow({ program, versions, works, fails }: Row): string {
  const cells = [program, versions.join(', '), formatDeeds(works), formatDeeds(fails)]
  return `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

const BREAK = '<br>'
const BULLET = '• '

/** A line for each; where there are several, one sees which lines belong together. */
function formatDeeds(deeds: readonly string[]): string {
  return deeds.length < 2 ? deeds.join('') : deeds.map(deed => BULLET + deed).join(BREAK)
}

function readDeeds(cell = ''): string[] {
  return cell
    .split(BREAK)
    .map(deed => (deed.startsWith(BULLET) ? deed.slice(BULLET.length) : deed))
    .filter(Boolean)
}

/** One claim of the page, whatever the version: its door, its program, and what works or does not. */
interface Claim {
  door: string
  program: string
  claim: string
}

function claimsOf(row: Row): Claim[] {
  const { door, program } = row
  const claims = [...row.works, ...row.fails.map(text => `not: ${text}`)]
  return claims.map(claim => ({ door, program, claim }))
}

/** The claims of a page that {@link formatPage} made; versions are left out. */
function readPage(text: string): Claim[] {
  const doors = Object.entries(CHAPTERS)
  return text.split(/^## /m).flatMap(chapter => {
    const [door] = doors.find(([, { title }]) => chapter.startsWith(`${title}\n`)) ?? []
    if (!door) return []
    return [...chapter.matchAll(/^\| (.*) \|$/gm)].slice(1).flatMap(([, line]) => {
      const [program, , ...cells] = line!.split(' | ').map(cell => cell.replaceAll('\\|', '|'))
      const [works, fails] = cells
      const read = { works: readDeeds(works), fails: readDeeds(fails) }
      return claimsOf({ door: door as Door, program: program!, versions: [], ...read })
    })
  })
}

/**
 * In what a page says something else than a run.
 *
 * @param isComplete - whether the run had every program, so that the page may claim nothing more
 * @returns a line for each claim
 */
export function differences({ notes, absent }: Noted, page: string, isComplete: boolean): string[] {
  const inRun = rowsOf(notes).flatMap(claimsOf)
  const onPage = readPage(page)
  const missing = (from: readonly Claim[], all: readonly Claim[]) => {
    const there = new Set(all.map(lineOf))
    return [...new Set(from.map(lineOf))].filter(line => !there.has(line))
  }
  const wanted = onPage.filter(
    ({ door, program }) => !absent.some(each => each.door === door && each.program === program),
  )
  return [
    ...missing(inRun, onPage).map(line => `no row has what a test showed: ${line}`),
    ...(isComplete ? missing(wanted, inRun).map(line => `a row has what no test showed: ${line}`) : []),
  ]
}

const lineOf = ({ door, program, claim }: Claim) => `${door}, ${program}: ${claim}`
