/** Notes for the page of compatibility what was done with a database. */
import type { Test } from 'tap'
import { noteProgram, versionIn } from '../../support/compatibility.ts'
import type { Shop } from './servers.ts'

const PROGRAMS = { sqlite: 'SQLite', mariadb: 'MariaDB', postgres: 'PostgreSQL' } as const

/** @param does - what works with it, or, with `why`, what does not */
export async function noteDatabase(
  t: Test,
  { kind, run }: Pick<Shop, 'kind' | 'run'>,
  does: string,
  why?: string,
): Promise<void> {
  const [[told] = []] = await run(`SELECT ${kind === 'sqlite' ? 'sqlite_version()' : 'version()'}`)
  const note = { door: 'databases', program: PROGRAMS[kind], version: versionIn(`${told}`), does } as const
  noteProgram(t, why === undefined ? note : { ...note, why })
}
