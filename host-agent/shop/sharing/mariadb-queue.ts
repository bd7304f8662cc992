/**
 * The queue in MariaDB and MySQL: one table. A claim is a row that is locked by a transaction which stays open for as long as the work
 * takes, so it is free at once when the worker's connection ends, however it ends.
 */
import { createHash } from 'node:crypto'
import type { RowDataPacket } from 'mysql2/promise'
import type { Secrets } from '../database/connect.ts'
import { DatabaseError } from '../database/errors.ts'
import { connectMariadb } from '../database/mariadb.ts'
import { serially } from '../database/serially.ts'
import type { ServerConnection } from '../mapping/connection.ts'
import type { TableReport } from '../sealing/report.ts'
import { ALIVE_MS, type Claim, type Queue, queueError, type Range, type Standing } from './queue.ts'

const TABLE = '"claviger_rewrap"'
/** Most workers at a time. */
const SLOTS = 64
/** After this time without a word the server ends a worker's connection, s. */
const SILENCE_S = 20
const DENIED = ['ER_TABLEACCESS_DENIED_ERROR', 'ER_DBACCESS_DENIED_ERROR', 'ER_ACCESS_DENIED_ERROR']
/** Row 0 is the job, the others are its ranges. */
const TABLE_SQL = `CREATE TABLE ${TABLE} (nr INT PRIMARY KEY, job CHAR(64) NOT NULL, is_done TINYINT NOT NULL,
  row_count BIGINT NOT NULL, body MEDIUMTEXT NOT NULL, report MEDIUMTEXT) ENGINE = InnoDB CHARACTER SET utf8mb4`
/** Ranges of one INSERT. */
const INSERTED = 500

/** @throws DatabaseError */
export async function openMariadbQueue(server: ServerConnection, secrets: Secrets): Promise<Queue> {
  const connection = await connectMariadb(server, secrets)
  const grant = `GRANT CREATE, DROP, SELECT, INSERT, UPDATE ON ${server.database}.claviger_rewrap TO the user ${server.user}`
  const guarded = serially([], (_doing, cause) => translated(cause, grant))
  const doing = <T>(work: () => Promise<T>) => guarded('', work)
  // With parameters always prepared: what the driver escapes by itself it escapes with backslashes, which are none to this connection.
  const ask = async (sql: string, ...parameters: (string | number)[]) => {
    const [rows] = await connection.execute<RowDataPacket[][]>(sql, parameters)
    return rows as unknown as unknown[][]
  }
  const order = async (sql: string, ...parameters: (string | number)[]) => {
    await (parameters.length > 0 ? connection.execute(sql, parameters) : connection.query(sql))
  }
  // Locks by name are for the whole server, and a name has 64 characters at most.
  const place = createHash('sha256').update(server.database).digest('hex').slice(0, 16)
  const slots = Array.from({ length: SLOTS }, (_, i) => `claviger.${place}.${i}`)
  const door = `claviger.${place}.door`
  let own = ''
  let holds = false
  const isThere = async () =>
    (
      await ask(
        `SELECT 1 FROM information_schema.tables WHERE table_schema = database() AND table_name = 'claviger_rewrap'`,
      )
    ).length > 0
  const settle = (sql: string, ...parameters: (string | number)[]) =>
    doing(async () => {
      if (!holds) return
      holds = false
      if (sql) await order(sql, ...parameters)
      await order('COMMIT')
    })
  await doing(() => order(`SET SESSION wait_timeout = ${SILENCE_S}`))
  const alive = setInterval(() => void doing(() => ask('SELECT 1')).catch(() => {}), ALIVE_MS)
  return {
    removal: `DROP TABLE claviger_rewrap`,
    alone: () => doing(async () => Number((await ask('SELECT GET_LOCK(?, 0)', door))[0]![0]) === 1),
    together: () => doing(async () => void (await ask('SELECT RELEASE_LOCK(?)', door))),
    join: () =>
      doing(async () => {
        for (const slot of slots)
          if (Number((await ask('SELECT GET_LOCK(?, 0)', slot))[0]![0]) === 1) {
            own = slot
            return
          }
        throw new DatabaseError(`${SLOTS} workers share this rewrap already`)
      }),
    part: () =>
      doing(async () => {
        await ask('SELECT RELEASE_LOCK(?)', own)
        own = ''
      }),
    isOnlyWorker: () =>
      doing(async () => {
        const others = slots.filter(slot => slot !== own)
        const sum = others.map(() => 'IS_FREE_LOCK(?)').join(' + ')
        return Number((await ask(`SELECT ${sum}`, ...others))[0]![0]) === others.length
      }),
    job: () =>
      doing(async () => {
        if (!(await isThere())) return null
        const [row] = await ask(`SELECT job FROM ${TABLE} WHERE nr = 0`)
        return row ? String(row[0]) : null
      }),
    fill: (job, total, ranges) =>
      doing(async () => {
        await order(`DROP TABLE IF EXISTS ${TABLE}`)
        await order(TABLE_SQL)
        await order('START TRANSACTION')
        for (let start = 0; start < ranges.length; start += INSERTED) {
          const some = ranges.slice(start, start + INSERTED)
          const rows = some.map(() => '(?, ?, 0, 0, ?, NULL)').join(', ')
          const values = some.flatMap((range, i) => [start + i + 1, job, JSON.stringify(range)])
          await order(`INSERT INTO ${TABLE} VALUES ${rows}`, ...values)
        }
        await order(`INSERT INTO ${TABLE} VALUES (0, ?, 0, ?, '', NULL)`, job, total)
        await order('COMMIT')
      }),
    claim: () =>
      doing(async (): Promise<Claim | null> => {
        await order('START TRANSACTION')
        const [row] = await ask(
          `SELECT nr, body FROM ${TABLE} WHERE nr > 0 AND is_done = 0 ORDER BY nr LIMIT 1 FOR UPDATE SKIP LOCKED`,
        )
        if (!row) {
          await order('COMMIT')
          return null
        }
        holds = true
        const nr = Number(row[0])
        return {
          range: JSON.parse(String(row[1])) as Range,
          complete: report =>
            settle(
              `UPDATE ${TABLE} SET is_done = 1, row_count = ?, report = ? WHERE nr = ?`,
              report.rows,
              JSON.stringify(report),
              nr,
            ),
          release: () => settle(''),
        }
      }),
    standing: () =>
      doing(async (): Promise<Standing> => {
        const [row] = await ask(
          `SELECT sum(nr > 0 AND is_done = 0), sum(CASE WHEN nr = 0 THEN row_count END),
           sum(CASE WHEN nr > 0 THEN row_count END), sum(nr = 0 AND is_done = 1) FROM ${TABLE}`,
        )
        const [open, total, rows, ended] = row!.map(Number)
        return { open: open!, total: total!, rows: rows!, ended: ended === 1 }
      }),
    reports: () =>
      doing(async () => {
        const [end] = await ask(`SELECT report FROM ${TABLE} WHERE nr = 0 AND report IS NOT NULL`)
        if (end) return JSON.parse(String(end[0])) as TableReport[]
        const rows = await ask(`SELECT report FROM ${TABLE} WHERE nr > 0 AND is_done = 1 ORDER BY nr`)
        return rows.map(([report]) => JSON.parse(String(report)) as TableReport)
      }),
    end: reports =>
      doing(() => order(`UPDATE ${TABLE} SET is_done = 1, report = ? WHERE nr = 0`, JSON.stringify(reports))),
    remove: () => doing(() => order(`DROP TABLE IF EXISTS ${TABLE}`)),
    async close() {
      clearInterval(alive)
      await connection.end()
    },
  }
}

function translated(cause: unknown, grant: string): DatabaseError {
  if ((cause as { code?: unknown }).code === 'ER_PARSE_ERROR')
    return new DatabaseError('the database server knows no SKIP LOCKED', {
      cause,
      hint: 'a shared rewrap needs MariaDB 10.6, or MySQL 8.0; without --shared any version will do',
    })
  return queueError(cause, DENIED, grant)
}
