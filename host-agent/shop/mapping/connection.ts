/** Where a shop's database is, without its password: that comes from the environment or a file. */
import { MappingError } from './errors.ts'
import { type Place, propertiesAt, required, textAt } from './json.ts'

/** A database server. */
export interface ServerConnection {
  readonly kind: 'mariadb' | 'postgres'
  /** Path of its UNIX socket: the file of MariaDB's, the folder of PostgreSQL's; `null` for TCP. */
  readonly socket: string | null
  readonly host: string
  readonly port: number
  readonly user: string
  readonly database: string
  /** PostgreSQL's schema. */
  readonly schema: string
  /** File that holds the password; `null`: the environment has it, or none is needed. */
  readonly passwordFile: string | null
  /** File of the authority that the server's certificate is from; `null`: no TLS. */
  readonly authority: string | null
}

export type Connection = { readonly kind: 'sqlite'; readonly file: string } | ServerConnection

const PORTS = { mariadb: 3306, postgres: 5432 }
const LOOPBACK = ['127.0.0.1', '::1', 'localhost']

/** @throws MappingError */
export function connectionAt(place: Place): Connection {
  const given = propertiesAt(place, [
    'kind',
    'file',
    'socket',
    'host',
    'port',
    'user',
    'database',
    'schema',
    'passwordFile',
    'authority',
  ])
  const { at } = place
  const kind = textAt(required(given.kind, at, 'kind'))
  if (kind === 'sqlite') {
    const other = Object.entries(given).find(([name, value]) => value && !['kind', 'file'].includes(name))
    if (other) throw new MappingError(`${at}.${other[0]}`, 'a SQLite database has no such property')
    return { kind, file: textAt(required(given.file, at, 'file')) }
  }
  if (kind !== 'mariadb' && kind !== 'postgres')
    throw new MappingError(
      `${at}.kind`,
      'there is no such kind of database',
      'there are sqlite, mariadb (MySQL too) and postgres',
    )
  if (given.file) throw new MappingError(`${at}.file`, 'this is for SQLite')
  if (given.schema && kind !== 'postgres') throw new MappingError(`${at}.schema`, 'this is for PostgreSQL')
  const socket = given.socket ? textAt(given.socket) : null
  if (socket !== null && given.host)
    throw new MappingError(`${at}.host`, 'there is a socket and a host', 'name one of them')
  const host = given.host ? textAt(given.host) : '127.0.0.1'
  const authority = given.authority ? textAt(given.authority) : null
  // Plaintext goes over this connection.
  if (socket === null && authority === null && !LOOPBACK.includes(host))
    throw new MappingError(
      `${at}.authority`,
      'a database on another machine is read over TLS',
      'name the file of the authority (PEM) that its certificate is from, or come through a tunnel to 127.0.0.1',
    )
  return {
    kind,
    socket,
    host,
    port: given.port ? portAt(given.port) : PORTS[kind],
    user: textAt(required(given.user, at, 'user')),
    database: textAt(required(given.database, at, 'database')),
    schema: given.schema ? textAt(given.schema) : 'public',
    passwordFile: given.passwordFile ? textAt(given.passwordFile) : null,
    authority,
  }
}

function portAt({ at, value }: Place): number {
  if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > 65_535)
    throw new MappingError(at, 'this is not a port, a number from 1 to 65535')
  return value as number
}
