/** Database servers of Debian in temporary folders, on UNIX sockets, each with one empty database `shop`. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Connection, createConnection } from 'mysql2/promise'
import pg from 'pg'

const START_MS = 60_000

/** A database that tests fill. */
export interface Shop {
  readonly kind: 'sqlite' | 'mariadb' | 'postgres'
  /** `database` of a mapping. */
  readonly connection: Record<string, unknown>
  /** Files and folders that tables are in. */
  readonly files: readonly string[]
  /** Runs one statement. Quotation marks for names are `"`. */
  run(sql: string, ...parameters: (string | number | null)[]): Promise<unknown[][]>
  /** Kills the server with SIGKILL, and starts another one on its files; `null` where there is no server. */
  readonly crash: (() => Promise<void>) | null
  stop(): Promise<void>
}

const [MARIADBD, INSTALL] = ['/usr/sbin/mariadbd', '/usr/bin/mariadb-install-db']
const POSTGRES = '/usr/lib/postgresql'

/** @returns why a server cannot be started here, `false` where it can */
export function whyNot(kind: Shop['kind']): string | false {
  if (kind === 'mariadb')
    return [MARIADBD, INSTALL].every(existsSync) ? false : 'mariadb-server is not installed'
  if (kind === 'postgres') return postgresFolder() === null ? 'postgresql is not installed' : false
  return false
}

export async function startShop(kind: Shop['kind']): Promise<Shop> {
  if (kind === 'sqlite') return startSqlite()
  return kind === 'mariadb' ? startMariadb() : startPostgres()
}

function startSqlite(): Shop {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-sqlite-'))
  const file = join(folder, 'shop.db')
  const database = new DatabaseSync(file, { timeout: 20_000 })
  database.exec('PRAGMA journal_mode = WAL')
  return {
    kind: 'sqlite',
    connection: { kind: 'sqlite', file },
    files: [folder],
    run: async (sql, ...parameters) =>
      database
        .prepare(sql)
        .all(...parameters)
        .map(row => Object.values(row)),
    crash: null,
    stop: async () => {
      database.close()
      rmSync(folder, { recursive: true })
    },
  }
}

async function startMariadb(): Promise<Shop> {
  const folder = mkdtempSync(join(tmpdir(), 'claviger-mariadb-'))
  own(folder, 'mysql')
  const asUser = process.getuid?.() === 0 ? ['--user=mysql'] : []
  const data = `--datadir=${join(folder, 'data')}`
  const installed = spawnSync(
    INSTALL,
    ['--no-defaults', data, '--auth-root-authentication-method=normal', '--skip-test-db', ...asUser],
    { encoding: 'utf8', timeout: START_MS },
  )
  if (installed.status !== 0) throw new Error(`mariadb-install-db: ${installed.stdout}${installed.stderr}`)
  const socket = join(folder, 'sock')
  const options = ['--skip-networking', `--pid-file=${join(folder, 'pid')}`, '--innodb-buffer-pool-size=32M']
  // What was committed outlives the server (2: it is written), but need not outlive the machine.
  options.push('--innodb-flush-log-at-trx-commit=2', '--innodb-flush-method=nosync', '--skip-log-bin')
  const launch = () =>
    spawn(MARIADBD, ['--no-defaults', data, `--socket=${socket}`, ...options, ...asUser], { stdio: 'ignore' })
  const open = (database?: string) =>
    createConnection({
      socketPath: socket,
      user: 'root',
      rowsAsArray: true,
      ...(database ? { database } : {}),
    })
  const openShop = async () => {
    const connection = await open('shop')
    await connection.query(`SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')`)
    connection.on('error', () => {})
    return connection
  }
  const first = await running(launch, () => open())
  let { server } = first
  await first.opened.query('CREATE DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci')
  await first.opened.end()
  let connection: Connection = await openShop()
  return {
    kind: 'mariadb',
    connection: { kind: 'mariadb', socket, user: 'root', database: 'shop' },
    files: [join(folder, 'data', 'shop')],
    run: async (sql, ...parameters) => {
      const [rows] = await connection.query(sql, parameters)
      return Array.isArray(rows) ? (rows as unknown[][]) : []
    },
    crash: async () => {
      await ended(server, 'SIGKILL')
      const next = await running(launch, openShop)
      server = next.server
      connection = next.opened
    },
    stop: async () => {
      await connection.end()
      await ended(server, 'SIGTERM')
      rmSync(folder, { recursive: true })
    },
  }
}

async function startPostgres(): Promise<Shop> {
  const bin = postgresFolder()!
  const folder = mkdtempSync(join(tmpdir(), 'claviger-postgres-'))
  const ids = own(folder, 'postgres')
  const data = join(folder, 'data')
  const options = { encoding: 'utf8', timeout: START_MS, cwd: folder, ...ids } as const
  const made = spawnSync(
    join(bin, 'initdb'),
    ['-D', data, '-U', 'shop', '--auth=trust', '--encoding=UTF8', '--locale=C.UTF-8', '--no-sync'],
    options,
  )
  if (made.status !== 0) throw new Error(`initdb: ${made.stdout}${made.stderr}`)
  const launch = () =>
    spawn(
      join(bin, 'postgres'),
      ['-D', data, '-k', folder, '-c', 'listen_addresses=', '-c', 'fsync=off', '-c', 'shared_buffers=32MB'],
      { stdio: 'ignore', cwd: folder, ...ids },
    )
  const open = async (database: string) => {
    const client = new pg.Client({ host: folder, user: 'shop', database })
    client.on('error', () => {})
    await client.connect()
    return client
  }
  const first = await running(launch, () => open('postgres'))
  let { server } = first
  await first.opened.query('CREATE DATABASE shop')
  await first.opened.end()
  let client = await open('shop')
  return {
    kind: 'postgres',
    connection: { kind: 'postgres', socket: folder, user: 'shop', database: 'shop' },
    files: [join(data, 'base')],
    run: async (sql, ...parameters) => {
      let index = 0
      const text = sql.replaceAll('?', () => `$${++index}`)
      return (await client.query<unknown[]>({ text, values: parameters, rowMode: 'array' })).rows
    },
    crash: async () => {
      await ended(server, 'SIGKILL')
      const next = await running(launch, () => open('shop'))
      server = next.server
      client = next.opened
    },
    stop: async () => {
      await client.end()
      // "Fast": sessions are ended (PostgreSQL, "Shutting Down the Server").
      await ended(server, 'SIGINT')
      rmSync(folder, { recursive: true })
    },
  }
}

function postgresFolder(): string | null {
  if (!existsSync(POSTGRES)) return null
  const [newest] = readdirSync(POSTGRES).sort((a, b) => Number(b) - Number(a))
  const bin = join(POSTGRES, newest ?? '', 'bin')
  return existsSync(join(bin, 'initdb')) ? bin : null
}

/** Servers refuse to run as root: where the test does, the folder becomes their user's. */
function own(folder: string, user: string): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const id = (flag: string) => Number(spawnSync('id', [flag, user], { encoding: 'utf8' }).stdout)
  const [uid, gid] = [id('-u'), id('-g')]
  chownSync(folder, uid, gid)
  chmodSync(folder, 0o755)
  return { uid, gid }
}

/** A test that ends before its teardown leaves nothing running. */
const started = new Set<ChildProcess>()
process.once('exit', () => {
  for (const server of started) server.kill('SIGKILL')
})

/**
 * Starts a server, and waits until it answers. Sessions of a killed one may keep the next from starting for a moment, so one that ends at
 * once is started again.
 */
async function running<T>(
  launch: () => ChildProcess,
  open: () => Promise<T>,
): Promise<{ server: ChildProcess; opened: T }> {
  const end = performance.now() + START_MS
  for (let server = launch(); ; )
    try {
      const opened = await open()
      started.add(server)
      return { server, opened }
    } catch (error) {
      if (performance.now() > end) {
        server.kill('SIGKILL')
        throw error
      }
      await sleep(100)
      if (server.exitCode !== null) server = launch()
    }
}

async function ended(server: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  const exit = new Promise(resolve => server.once('exit', resolve))
  server.kill(signal)
  await exit
}
