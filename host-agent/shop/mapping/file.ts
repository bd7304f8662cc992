/** The mapping as a file: paths in it are from its own folder. */
import { dirname, resolve } from 'node:path'
import type { Connection } from './connection.ts'
import { type Mapping, parseMapping } from './mapping.ts'

/**
 * Parses a mapping, and leads its paths.
 *
 * @param path - of the file
 * @throws MappingError `bad-mapping`
 */
export function mappingOfFile(text: string, path: string): Mapping {
  const mapping = parseMapping(text, path)
  return { ...mapping, database: located(mapping.database, dirname(resolve(path))) }
}

function located(connection: Connection, folder: string): Connection {
  const at = (path: string | null) => (path === null ? null : resolve(folder, path))
  if (connection.kind === 'sqlite') return { ...connection, file: resolve(folder, connection.file) }
  const { passwordFile, authority } = connection
  return { ...connection, passwordFile: at(passwordFile), authority: at(authority) }
}
