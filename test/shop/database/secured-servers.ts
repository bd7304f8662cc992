/**
 * Database servers of Debian that ask for a password and speak TLS over TCP on the loopback, with one database `shop` and one user `sealer`,
 * and that can be stopped and started again in another way. Who looks after them comes over a UNIX socket.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createConnection } from 'mysql2/promise'
import pg from 'pg'

const START_MS = 60_000
export const PASSWORD = "sealer's own password"

export interface SecuredServer {
  readonly kind: 'mariadb' | 'postgres'
  readonly port: number
  /** Everything the server keeps. */
  readonly data: string
  /** `socket` of a mapping. */
  readonly socket: string
  /** Name of the one who looks after it. */
  readonly owner: string
  /** Runs a statement as the one who looks after it. */
  run(sql: string): Promise<unknown[][]>
  /** Ends it in order. */
  stop(): Promise<void>
  /** @param more - arguments of the server */
  start(more: readonly string[]): Promise<void>
  remove(): Promise<void>
}

/** PEM files in one folder: two authorities, and the server's certificates of the first. */
export interface Certificates {
  readonly authority: string
  readonly other: string
  /** Of `localhost` and 127.0.0.1. */
  readonly certificate: string
  /** Of another machine. */
  readonly elsewhere: string
  readonly key: string
}

/** Certificates of openssl, as an administrator makes them. */
export function makeCertificates(folder: string): Certificates {
  const at = (name: string) => join(folder, name)
  const openssl = (...args: string[]) => {
    const { status, stderr } = spawnSync('openssl', args, { encoding: 'utf8' })
    if (status !== 0) throw new Error(`openssl: ${stderr}`)
  }
  const fresh = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  for (const name of ['authority', 'other'])
    openssl(
      'req',
      '-x509',
      ...fresh,
      '-keyout',
      at(`${name}.key`),
      '-out',
      at(`${name}.pem`),
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
    )
  openssl('req', ...fresh, '-keyout', at('server.key'), '-out', at('server.csr'), '-subj', '/CN=shop')
  const names = { server: 'DNS:localhost,IP:127.0.0.1', elsewhere: 'DNS:elsewhere.example,IP:192.0.2.1' }
  for (const [name, alternatives] of Object.entries(names)) {
    writeFileSync(at('extensions'), `subjectAltName=${alternatives}\n`)
    const by = ['-CA', at('authority.pem'), '-CAkey', at('authority.key'), '-CAcreateserial']
    openssl(
      'x509',
      '-req',
      '-in',
      at('server.csr'),
      ...by,
      '-days',
      '2',
      '-extfile',
      at('extensions'),
      '-out',
      at(`${name}.pem`),
    )
  }
  return {
    ...{ authority: at('authority.pem'), other: at('other.pem'), certificate: at('server.pem') },
    ...{ elsewhere: at('elsewhere.pem'), key: at('server.key') },
  }
}

/** Made, and started with the first certificate. */
export async function securedServer(
  kind: SecuredServer['kind'],
  certificates: Certificates,
): Promise<SecuredServer> {
  const folder = mkdtempSync(join(tmpdir(), `claviger-secured-${kind}-`))
  const user = kind === 'mariadb' ? 'mysql' : 'postgres'
  const ids = own(folder, user)
  for (const [name, from] of Object.entries(certificates)) {
    copyFileSync(from, join(folder, name))
    chmodSync(join(folder, name), 0o600)
    if (ids.uid !== undefined) chownSync(join(folder, name), ids.uid, ids.gid!)
  }
  const port = await freePort()
  return kind === 'mariadb' ? mariadb(folder, port, ids) : postgres(folder, port, ids)
}

interface Ids {
  uid?: number
  gid?: number
}

/** What a server says to be started with TLS, of the certificate of this name. */
export function tlsOptions(
  server: Pick<SecuredServer, 'kind' | 'data'>,
  name: 'certificate' | 'elsewhere',
): string[] {
  const at = (file: string) => join(server.data, '..', file)
  if (server.kind === 'mariadb')
    return [`--ssl-cert=${at(name)}`, `--ssl-key=${at('key')}`, `--ssl-ca=${at('authority')}`]
  return ['ssl=on', `ssl_cert_file=${at(name)}`, `ssl_key_file=${at('key')}`].flatMap(each => ['-c', each])
}

async function mariadb(folder: string, port: number, ids: Ids): Promise<SecuredServer> {
  const data = join(folder, 'data')
  const asUser = ids.uid === undefined ? [] : ['--user=mysql']
  // Two of them that make the same temporary table in one folder fail.
  const env = { ...process.env, TMPDIR: folder }
  const first = ['--no-defaults', `--datadir=${data}`]
  const authentication = ['--auth-root-authentication-method=normal', '--skip-test-db']
  ran(
    'mariadb-install-db',
    spawnSync('/usr/bin/mariadb-install-db', [...first, ...authentication, ...asUser], {
      encoding: 'utf8',
      timeout: START_MS,
      env,
    }),
  )
  const socket = join(folder, 'sock')
  const always = [
    `--socket=${socket}`,
    `--port=${port}`,
    '--bind-address=127.0.0.1',
    `--pid-file=${join(folder, 'pid')}`,
  ]
  always.push('--innodb-buffer-pool-size=32M', '--innodb-log-file-size=20M', '--innodb-flush-method=nosync')
  const open = () => createConnection({ socketPath: socket, user: 'root', rowsAsArray: true })
  let connection: Awaited<ReturnType<typeof open>>
  const server = await restartable(
    more => spawn('/usr/sbin/mariadbd', [...first, ...always, ...more, ...asUser], { stdio: 'ignore' }),
    async () => {
      connection = await open()
      connection.on('error', () => {})
      await connection.query("SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')")
    },
    async () => connection.end(),
    'SIGTERM',
  )
  const run = async (sql: string) => {
    const [rows] = await connection.query(sql)
    return Array.isArray(rows) ? (rows as unknown[][]) : []
  }
  const made = { kind: 'mariadb', data, socket, port, owner: 'root', run, ...server } as const
  await server.start(tlsOptions(made, 'certificate'))
  await run('CREATE DATABASE shop CHARACTER SET utf8mb4')
  await run('USE shop')
  await run(
    `CREATE USER sealer@'127.0.0.1' IDENTIFIED BY "${PASSWORD}" REQUIRE SSL`
      .replaceAll('"', "'")
      .replace("'s own", "''s own"),
  )
  await run(`GRANT SELECT, UPDATE, INSERT, CREATE ON shop.* TO sealer@'127.0.0.1'`)
  return {
    ...made,
    remove: () => removed(server, folder),
    start: async more => {
      await server.start(more)
      await run('USE shop')
    },
  }
}

async function postgres(folder: string, port: number, ids: Ids): Promise<SecuredServer> {
  const root = '/usr/lib/postgresql'
  const bin = join(root, readdirSync(root).sort((a, b) => Number(b) - Number(a))[0]!, 'bin')
  const data = join(folder, 'data')
  const options = { encoding: 'utf8', timeout: START_MS, cwd: folder, ...ids } as const
  const how = ['-U', 'shop', '--auth=trust', '--encoding=UTF8', '--locale=C.UTF-8', '--no-sync']
  ran('initdb', spawnSync(join(bin, 'initdb'), ['-D', data, ...how], options))
  const rules = ['local all all trust', 'hostssl shop sealer 127.0.0.1/32 scram-sha-256']
  writeFileSync(join(data, 'pg_hba.conf'), `${rules.join('\n')}\n`)
  const always = ['-D', data, '-k', folder, '-p', String(port)]
  for (const each of ['listen_addresses=127.0.0.1', 'fsync=off', 'shared_buffers=32MB'])
    always.push('-c', each)
  const open = async (database: string) => {
    const client = new pg.Client({ host: folder, port, user: 'shop', database })
    client.on('error', () => {})
    await client.connect()
    return client
  }
  let client: Awaited<ReturnType<typeof open>>
  let database = 'postgres'
  const server = await restartable(
    more => spawn(join(bin, 'postgres'), [...always, ...more], { stdio: 'ignore', cwd: folder, ...ids }),
    async () => {
      client = await open(database)
    },
    async () => client.end(),
    'SIGINT',
  )
  const run = async (sql: string) => (await client.query<unknown[]>({ text: sql, rowMode: 'array' })).rows
  const made = { kind: 'postgres', data, socket: folder, port, owner: 'shop', run, ...server } as const
  await server.start(tlsOptions(made, 'certificate'))
  await run('CREATE DATABASE shop')
  await run(`CREATE USER sealer PASSWORD '${PASSWORD.replace("'", "''")}'`)
  await client!.end()
  database = 'shop'
  client = await open(database)
  await run('ALTER DEFAULT PRIVILEGES GRANT SELECT, UPDATE, INSERT ON TABLES TO sealer')
  return { ...made, remove: () => removed(server, folder) }
}

/** @param ended - closes what was opened */
async function restartable(
  launch: (more: readonly string[]) => ChildProcess,
  opened: () => Promise<void>,
  ended: () => Promise<void>,
  signal: NodeJS.Signals,
): Promise<Pick<SecuredServer, 'start' | 'stop'>> {
  let server: ChildProcess | null = null
  return {
    start: async more => {
      server = launch(more)
      const end = performance.now() + START_MS
      for (;;)
        try {
          return await opened()
        } catch (error) {
          if (performance.now() > end || server.exitCode !== null) throw error
          await sleep(100)
        }
    },
    stop: async () => {
      if (server === null) return
      const stopping = server
      server = null
      await ended()
      if (stopping.exitCode !== null || stopping.signalCode !== null) return
      const exit = new Promise(resolve => stopping.once('exit', resolve))
      stopping.kill(signal)
      await exit
    },
  }
}

async function removed(server: Pick<SecuredServer, 'stop'>, folder: string): Promise<void> {
  await server.stop()
  rmSync(folder, { recursive: true })
}

/** Servers refuse to run as root: where the test does, what is theirs becomes their user's. */
function own(path: string, user: string): Ids {
  if (process.getuid?.() !== 0) return {}
  const id = (flag: string) => Number(spawnSync('id', [flag, user], { encoding: 'utf8' }).stdout)
  const [uid, gid] = [id('-u'), id('-g')]
  chownSync(path, uid, gid)
  chmodSync(path, 0o755)
  return { uid, gid }
}

function ran(
  what: string,
  { status, stdout, stderr }: { status: number | null; stdout: string; stderr: string },
): void {
  if (status !== 0) throw new Error(`${what}: ${stdout}${stderr}`)
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
