/** The page of compatibility: what is noted, how notes become rows, and when the page says something else than a run. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import {
  debianVersion,
  NOTES_FILE,
  type Note,
  npmVersion,
  versionIn,
  versionOf,
} from '../support/compatibility.ts'
import { bareNode } from '../support/environment.ts'
import { missing } from '../support/programs.ts'
import { notingFiles } from './files.ts'
import { differences, formatPage } from './page.ts'
import { readNotes, rowsOf } from './rows.ts'

const SUPPORT = new URL('../support/compatibility.ts', import.meta.url).href

const note = (program: string, version: string, does: string, why?: string): Note => ({
  door: 'age',
  program,
  version,
  does,
  ...(why === undefined ? {} : { why }),
})
const NOTES: readonly Note[] = [
  note('rage', '0.12.1', 'opens a | b'),
  note('age', '1.10.0', 'opens'),
  note('age', '1.10.0', 'encrypts to `age1pq1…`'),
  note('age', '1.1.1', 'opens'),
  note('age', '1.2.1', 'opens'),
  note('age', '1.2.1', 'encrypts to `age1pq1…`', 'it is too old'),
  note('age', '1.1.1', 'encrypts to `age1pq1…`', 'it is too old'),
  { ...note('curl', '7.88.1', 'unlocks'), door: 'REST' },
]
const ABSENT = [{ door: 'age', program: 'age' }] as const

t.test(
  'When a test ends, then what it noted is written if it passed, and without a file nothing is',
  async t => {
    const folder = t.testdir({
      'notes.mjs': `import t from 'tap'
import { noteAbsence, noteProgram } from ${JSON.stringify(SUPPORT)}
const note = (t, does) => noteProgram(t, { door: 'age', program: 'age', version: '1.1', does })
t.test('passes', async t => { note(t, 'passes'); t.pass() })
t.test('fails', async t => { note(t, 'fails'); t.fail() })
t.test('throws', async t => { note(t, 'throws'); throw new Error() })
t.test('a part fails', async t => {
  note(t, 'a part fails')
  await t.test('passes', async t => { note(t, 'the other part'); t.pass() })
  await t.test('fails', async t => t.fail())
})
t.test('is late', { timeout: 100 }, async t => { note(t, 'is late'); await new Promise(done => setTimeout(done, 300)) })
t.test('is skipped', { skip: 'no age' }, async t => note(t, 'is skipped'))
noteAbsence({ door: 'age', program: 'rage' })`,
    })
    const path = join(folder, 'notes')
    const [program, args] = bareNode(join(folder, 'notes.mjs'))
    const { [NOTES_FILE]: _, ...env } = process.env
    spawnSync(program, args, { env })
    t.notOk(existsSync(path))
    t.equal(spawnSync(program, args, { env: { ...env, [NOTES_FILE]: path } }).status, 1)
    const { notes, absent } = readNotes(readFileSync(path, 'utf8'))
    t.same(notes.map(({ does }) => does).sort(), ['passes', 'the other part'])
    t.match(absent, [{ door: 'age', program: 'rage' }])
  },
)

t.test('When a program is asked for its version, then it is the one that it tells', async t => {
  t.equal(versionOf(process.execPath, '--version'), process.versions.node)
  t.equal(versionIn('OpenSSL 3.0.22 4 Oct 2026 (Library: OpenSSL 3.5.1)'), '3.0.22')
  t.match(npmVersion('jose'), /^\d+\.\d+\.\d+$/)
  t.throws(() => versionOf(process.execPath, '-e', 'console.log("v8")'), /node -e .* tells no version$/)
  t.throws(() => versionOf('no-such-program'), /no-such-program tells no version/)
  t.throws(() => npmVersion('no-such-package'), { code: 'ENOENT' })
  t.throws(() => debianVersion('no-such-package'), /no-such-package tells no version/)
  t.throws(() => debianVersion('age', t.testdir()), { code: 'ENOENT' })
})

t.test(
  'When a package of Debian is asked for, then Debian’s part of its version is left out',
  {
    skip: missing('dpkg-query', '-W', 'dpkg'),
  },
  async t => {
    t.match(debianVersion('libc6'), /^2\.\d+$/)
  },
)

t.test('When versions did the same, then they share a row, whatever order the notes came in', async t => {
  const rows = rowsOf(NOTES)
  t.same(
    rows.map(({ program, versions, works, fails }) => [program, versions, works, fails]),
    [
      ['age', ['1.1.1', '1.2.1'], ['opens'], ['encrypts to `age1pq1…`: it is too old']],
      ['age', ['1.10.0'], ['encrypts to `age1pq1…`', 'opens'], []],
      ['rage', ['0.12.1'], ['opens a | b'], []],
      ['curl', ['7.88.1'], ['unlocks'], []],
    ],
  )
  for (let i = 1; i < NOTES.length; i++)
    t.same(rowsOf([...NOTES.slice(i), ...NOTES.slice(0, i + 1)]), rows, 'and however often')
})

t.test(
  'When the page is that of the run, then nothing is different; and else each claim is named',
  async t => {
    const page = formatPage(rowsOf(NOTES))
    const compare = (notes: readonly Note[], isComplete = true, absent: typeof ABSENT | [] = []) =>
      differences({ notes, absent }, page, isComplete)
    t.same(compare(NOTES), [])
    t.same(compare(NOTES.map(each => ({ ...each, version: '9.9' }))), [], 'versions are not compared')

    const fewer = NOTES.filter(({ program }) => program !== 'age')
    t.same(compare(fewer), [
      'a row has what no test showed: age, age: opens',
      'a row has what no test showed: age, age: not: encrypts to `age1pq1…`: it is too old',
      'a row has what no test showed: age, age: encrypts to `age1pq1…`',
    ])
    t.same(compare(fewer, false), [], 'a machine may have fewer programs')
    t.same(compare(fewer, true, ABSENT), [], 'one could not be had')

    for (const other of [
      note('age', '1.1.1', 'closes'),
      note('rage', '0.12.1', 'opens a | b', 'it does not'),
      note('other', '1.0', 'opens'),
      { ...note('rage', '0.12.1', 'opens a | b'), door: 'REST' as const },
    ])
      for (const isComplete of [true, false]) {
        const [found, ...more] = compare([...NOTES, other], isComplete)
        t.match(found, `no row has what a test showed: ${other.door}, ${other.program}: `)
        t.same(more, [])
      }
    t.equal(differences({ notes: NOTES, absent: [] }, '', true).length, 5, 'there is no page')
  },
)

t.test('When a table is written, then a program has one line, and its marks stay in their cell', async t => {
  const page = formatPage(rowsOf(NOTES))
  t.match(page, '\n| rage | 0.12.1 | opens a \\| b |  |\n')
  t.match(page, '\n| age | 1.1.1, 1.2.1 | opens | encrypts to `age1pq1…`: it is too old |\n')
  t.match(page, '\n| age | 1.10.0 | • encrypts to `age1pq1…`<br>• opens |  |\n')
  t.notMatch(page, '## Databases', 'what nobody tried has no table')
})

t.test('When a test file or what it imports notes something, then it is run for the page', async t => {
  const root = t.testdir({
    test: {
      'direct.test.ts': 'noteProgram(t, {})',
      'suite.ts': 'export const suite = () => noteProgram(t, {})',
      'between.ts': `export { suite } from './suite.ts'`,
      'through.test.ts': `import { suite } from './between.ts'`,
      'none.test.ts': `import { missing } from './support/compatibility.ts'\nimport type { T } from './suite.ts'`,
      support: { 'compatibility.ts': 'export function noteProgram(t) {}' },
      compatibility: { 'compatibility.test.ts': 'noteProgram(t, {})' },
    },
  })
  t.same(notingFiles(root), ['test/direct.test.ts', 'test/through.test.ts'])
  const own = notingFiles(fileURLToPath(new URL('../../', import.meta.url)))
  t.notOk(own.includes('test/lint/lint.test.ts'))
})
