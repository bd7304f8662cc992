/**
 * The queue in PostgreSQL: jobs of `pg-boss` in a schema of their own, on one connection. A claim is held for as long as it is touched; a
 * worker that is not heard of for {@link SILENCE_S} seconds loses it to one that waits.
 */
import type pg from 'pg'
import { getConstructionPlans, PgBoss } from 'pg-boss'
import type { Secrets } from '../database/connect.ts'
import { DatabaseError } from '../database/errors.ts'
import { connectPostgres } from '../database/postgres.ts'
import { serially } from '../database/serially.ts'
import type { ServerConnection } from '../mapping/connection.ts'
import type { TableReport } from '../sealing/report.ts'
import { ALIVE_MS, type Claim, type Queue, queueError, type Range, type Standing } from './queue.ts'

const SCHEMA = 'claviger_rewrap'
const NAME = 'ranges'
/** The shortest time that pg-boss takes, s. */
const SILENCE_S = 10
/** pg-boss asks for an end of each try; the longest that it takes, s. */
const LONGEST_S = 24 * 60 * 60
/** A range goes to the next worker as often as it takes. */
const TRIES = 1_000_000
/** First number of the advisory locks: "clv" in ASCII. The second is 1 for {@link Queue.alone}, 2 for a worker. */
const LOCKS = 0x63_6c_76
/** insufficient_privilege (PostgreSQL, Appendix A). */
const DENIED = ['42501']
/** duplicate_schema. */
const DUPLICATE = '42P06'

/** @throws DatabaseError */
export async function openPostgresQueue(server: ServerConnection, secrets: Secrets): Promise<Queue> {
  const client = await connectPostgres(server, secrets)
  const grant = `GRANT CREATE ON DATABASE ${server.database} TO ${server.user}; and every worker comes as the same user`
  const guarded = serially([], (_doing, cause) => queueError(cause, DENIED, grant))
  const doing = <T>(work: () => Promise<T>) => guarded('', work)
  const ask = async (text: string, ...values: unknown[]) =>
    (await client.query<unknown[]>({ text, values, rowMode: 'array' })).rows
  await doing(() => noticeSilence(client, ask))
  const alive = setInterval(() => void doing(() => ask('SELECT 1')).catch(() => {}), ALIVE_MS)
  let boss: PgBoss | null = null
  const touching = new Set<NodeJS.Timeout>()
  const started = async () => (boss ??= await start(client))
  const isThere = async () =>
    (await ask(`SELECT 1 WHERE to_regclass('${SCHEMA}.claviger_job') IS NOT NULL`)).length > 0
  const stop = async () => {
    await boss?.stop({ graceful: false, close: false })
    boss = null
  }
  return {
    removal: `DROP SCHEMA ${SCHEMA} CASCADE`,
    alone: () => doing(async () => (await ask('SELECT pg_try_advisory_lock($1, 1)', LOCKS))[0]![0] === true),
    together: () => doing(async () => void (await ask('SELECT pg_advisory_unlock($1, 1)', LOCKS))),
    join: () => doing(async () => void (await ask('SELECT pg_advisory_lock_shared($1, 2)', LOCKS))),
    part: () => doing(async () => void (await ask('SELECT pg_advisory_unlock_shared($1, 2)', LOCKS))),
    isOnlyWorker: () =>
      doing(async () => {
        const others = await ask(
          `SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE l.locktype = 'advisory' AND l.objsubid = 2
           AND l.classid = $1 AND l.objid = 2 AND l.pid <> pg_backend_pid() AND d.datname = current_database()`,
          LOCKS,
        )
        return others.length === 0
      }),
    job: () =>
      doing(async () => {
        if (!(await isThere())) return null
        const [row] = await ask(`SELECT job FROM ${SCHEMA}.claviger_job WHERE is_filled`)
        return row ? String(row[0]) : null
      }),
    fill: (job, total, ranges) =>
      doing(async () => {
        await stop()
        if (await isThere()) await ask(`DROP SCHEMA ${SCHEMA} CASCADE`)
        await makeSchema(client)
        await client.query(getConstructionPlans(SCHEMA, { createSchema: false }))
        const fresh = await started()
        await fresh.createQueue(NAME, {
          heartbeatSeconds: SILENCE_S,
          expireInSeconds: LONGEST_S,
          retryLimit: TRIES,
        })
        await fresh.insert(
          NAME,
          ranges.map(range => ({ data: range })),
        )
        await ask(
          `INSERT INTO ${SCHEMA}.claviger_job VALUES ($1, $2, $3, true, NULL)`,
          job,
          total,
          ranges.length,
        )
      }),
    claim: () =>
      doing(async (): Promise<Claim | null> => {
        const jobs = await started()
        const [got] = await jobs.fetch<Range>(NAME)
        if (!got) {
          await jobs.supervise(NAME)
          return null
        }
        const attempt = { id: got.id, retryCount: got.retryCount }
        const touch = setInterval(() => void doing(() => jobs.touch(NAME, attempt)).catch(() => {}), ALIVE_MS)
        touching.add(touch)
        return {
          range: got.data,
          complete(report) {
            clearInterval(touch)
            return doing(() => complete(jobs, attempt, report, ask))
          },
          release() {
            clearInterval(touch)
            return doing(async () => void (await jobs.fail(NAME, attempt)))
          },
        }
      }),
    standing: () =>
      doing(async (): Promise<Standing> => {
        const [row] = await ask(
          `SELECT j.ranges - r.done, j.total, r.row_count, j.ended IS NOT NULL FROM ${SCHEMA}.claviger_job j,
           (SELECT count(*) AS done, coalesce(sum(row_count), 0) AS row_count FROM ${SCHEMA}.claviger_report) r`,
        )
        const [open, total, rows, ended] = row!
        return { open: Number(open), total: Number(total), rows: Number(rows), ended: ended === true }
      }),
    reports: () =>
      doing(async () => {
        const [[ended] = []] = await ask(`SELECT ended FROM ${SCHEMA}.claviger_job`)
        if (ended) return ended as TableReport[]
        const rows = await ask(`SELECT body FROM ${SCHEMA}.claviger_report ORDER BY nr`)
        return rows.map(([report]) => report as TableReport)
      }),
    end: reports =>
      doing(
        async () => void (await ask(`UPDATE ${SCHEMA}.claviger_job SET ended = $1`, JSON.stringify(reports))),
      ),
    remove: () =>
      doing(async () => {
        await stop()
        if (await isThere()) await ask(`DROP SCHEMA ${SCHEMA} CASCADE`)
      }),
    async close() {
      for (const timer of [alive, ...touching]) clearInterval(timer)
      await stop()
      await client.end()
    },
  }
}

type Ask = (text: string, ...values: unknown[]) => Promise<unknown[][]>

/** A machine that lost its power says no goodbye: the server is to notice by itself. */
async function noticeSilence(client: pg.Client, ask: Ask): Promise<void> {
  const [[version] = []] = await ask('SHOW server_version_num')
  if (Number(version) >= 140_000) await client.query(`SET idle_session_timeout = '${2 * SILENCE_S}s'`)
  await client.query('SET client_min_messages = error')
}

/** In one transaction: whoever finds the schema finds in it that it is ours. */
async function makeSchema(client: pg.Client): Promise<void> {
  try {
    await client.query(`BEGIN; CREATE SCHEMA ${SCHEMA};
      CREATE TABLE ${SCHEMA}.claviger_job (job text, total bigint, ranges int, is_filled boolean, ended jsonb);
      CREATE TABLE ${SCHEMA}.claviger_report (nr serial, row_count bigint, body jsonb); COMMIT`)
  } catch (cause) {
    await client.query('ROLLBACK')
    if ((cause as { code?: unknown }).code !== DUPLICATE) throw cause
    throw new DatabaseError(`there is a schema ${SCHEMA} that is of no shared rewrap`, {
      cause,
      hint: 'rename it, or rewrap without --shared',
    })
  }
}

/** pg-boss without its timers, its own connections, and what it would note of this process. */
async function start(client: pg.Client): Promise<PgBoss> {
  const boss = new PgBoss({
    schema: SCHEMA,
    db: { executeSql: (text, values) => client.query(text, values as unknown[]) },
    migrate: false,
    supervise: false,
    schedule: false,
    registerInstance: false,
    reindex: false,
    monitorVacuum: false,
    openTelemetry: { enabled: false },
    monitorIntervalSeconds: 1,
    queueCacheIntervalSeconds: LONGEST_S,
  })
  boss.on('error', () => {})
  return boss.start()
}

/** Both or neither: a range that is done is counted, once. */
async function complete(
  boss: PgBoss,
  attempt: { id: string; retryCount: number },
  report: TableReport,
  ask: Ask,
): Promise<void> {
  await ask('BEGIN')
  try {
    // Its types say less than it answers. None: the claim was lost, and the range is another worker's.
    const { affected } = (await boss.complete(NAME, attempt)) as { affected?: number }
    if (affected === 1)
      await ask(
        `INSERT INTO ${SCHEMA}.claviger_report (row_count, body) VALUES ($1, $2)`,
        report.rows,
        JSON.stringify(report),
      )
    await ask('COMMIT')
  } catch (error) {
    await ask('ROLLBACK').catch(() => {})
    throw error
  }
}
