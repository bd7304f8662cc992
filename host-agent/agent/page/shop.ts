/** The shop's database, as its mapping says it: opened for one question, and closed after it. */
import { readFile, stat } from 'node:fs/promises'
import { ClavigerError } from '../../../protocol/api/errors.ts'
import type { Database } from '../../shop/database/database.ts'
import { MappingError } from '../../shop/mapping/errors.ts'
import type { Mapping, TableMapping } from '../../shop/mapping/mapping.ts'
import type { Overview, ShopTable } from './api.ts'
import { PageRefusal } from './problem.ts'

/** See the head of this file. */
export class Shop {
  readonly #path: () => Promise<string | undefined>
  readonly #env: NodeJS.ProcessEnv
  #read: { from: string; mapping: Mapping } | null = null

  /** @param path - of the mapping, as the settings say now; `undefined`: there is none */
  constructor(path: () => Promise<string | undefined>, env: NodeJS.ProcessEnv) {
    this.#path = path
    this.#env = env
  }

  /** What of the shop the page may offer. */
  async describe(): Promise<Pick<Overview, 'tables' | 'shopProblem'>> {
    try {
      const mapping = await this.mapping()
      return { tables: mapping ? await Promise.all(mapping.tables.map(describeTable)) : [] }
    } catch (error) {
      if (!(error instanceof ClavigerError)) throw error
      const { message, hint } = error
      return { tables: [], shopProblem: { message, ...(hint ? { hint } : {}) } }
    }
  }

  /** The mapping; `null` where the settings name none. @throws MappingError; ConnectionError for the settings */
  async mapping(): Promise<Mapping | null> {
    const path = await this.#path()
    if (path === undefined) return null
    try {
      const { mtimeMs, size } = await stat(path)
      const from = `${path} ${mtimeMs} ${size}`
      if (this.#read?.from === from) return this.#read.mapping
      const { mappingOfFile } = await import('../../shop/mapping/file.ts')
      const mapping = mappingOfFile(await readFile(path, 'utf8'), path)
      this.#read = { from, mapping }
      return mapping
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (error instanceof ClavigerError) throw error
      throw new MappingError(
        path,
        `this cannot be read: ${code}`,
        'settings.json names it: "page", "mapping"',
      )
    }
  }

  /** @throws PageRefusal for a table that the mapping has not */
  async table(name: string): Promise<{ mapping: Mapping; mapped: TableMapping }> {
    const mapping = await this.mapping()
    const mapped = mapping?.tables.find(table => table.name === name)
    if (mapping && mapped) return { mapping, mapped }
    throw new PageRefusal('malformed-request', { message: `the mapping has no table ${name}` })
  }

  /** @throws DatabaseError `database-failed`, and what `work` throws */
  async withDatabase<T>(
    { database: connection }: Mapping,
    work: (database: Database) => Promise<T>,
  ): Promise<T> {
    const { connect } = await import('../../shop/database/connect.ts')
    const database = await connect(connection, this.#env)
    try {
      return await work(database)
    } finally {
      await database.close().catch(() => {})
    }
  }
}

async function describeTable(mapped: TableMapping): Promise<ShopTable> {
  const { readableColumns, sealedColumns } = await import('../../shop/opening/columns.ts')
  return {
    name: mapped.name,
    key: [...mapped.key],
    sealed: [...sealedColumns(mapped)].map(([column, field]) => ({ column, field })),
    readable: [...new Set(readableColumns(mapped))],
    addresses: mapped.pieces
      .filter(({ type }) => type === 'address')
      .map(({ name }) => name.replace('records.', '')),
  }
}
