/**
 * Where the plaintext of sealed rows may still be, with what purges it. A database keeps old versions of rows in places of its own, and
 * sealing in place cannot reach them.
 */
import type { Database } from '../database/database.ts'

/** One place. */
export interface Lingering {
  readonly where: string
  /** Statements or commands, in their order; empty where only people can do it. */
  readonly commands: readonly string[]
}

/** @param tables - names of those that were sealed */
export function lingering(kind: Database['kind'], tables: readonly string[]): Lingering[] {
  return [...PLACES[kind](tables), ...EVERYWHERE]
}

const quote = (name: string) => `"${name.replaceAll('"', '""')}"`
const backtick = (name: string) => `\`${name.replaceAll('`', '``')}\``

const PLACES: Record<Database['kind'], (tables: readonly string[]) => Lingering[]> = {
  sqlite: () => [
    {
      where: 'the write-ahead log, and pages that were freed before',
      commands: ['PRAGMA wal_checkpoint(TRUNCATE);', 'VACUUM;', 'PRAGMA wal_checkpoint(TRUNCATE);'],
    },
    { where: 'samples of the planner (sqlite_stat4)', commands: ['ANALYZE;'] },
  ],
  mariadb: tables => [
    {
      where: 'pages of the tables, and old versions of rows (undo log)',
      commands: tables.map(name => `ALTER TABLE ${backtick(name)} ENGINE = InnoDB;`),
    },
    {
      where: 'undo tablespaces (innodb_undo_tablespaces of 2 or more)',
      commands: ['SET GLOBAL innodb_undo_log_truncate = ON;'],
    },
    {
      where: 'binary logs, which hold rows as they were, and replicas with their relay logs',
      // The last one is needed for a restart until InnoDB has written up to its end; BEFORE NOW() would leave those of this second.
      commands: ['FLUSH BINARY LOGS;', 'DO SLEEP(5);', 'PURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 MINUTE;'],
    },
    {
      where: 'histograms of the planner (mysql.column_stats)',
      commands: tables.map(name => `ANALYZE TABLE ${backtick(name)} PERSISTENT FOR ALL;`),
    },
    {
      where:
        'the redo log: another size makes a new file (MariaDB 10.9 and later; earlier: a restart with another size)',
      commands: ['+', '-'].map(
        sign => `SET GLOBAL innodb_log_file_size = @@GLOBAL.innodb_log_file_size ${sign} 4194304;`,
      ),
    },
    { where: 'the general and the slow query log, where they are on', commands: [] },
  ],
  postgres: tables => [
    {
      where: 'dead rows in the tables',
      commands: tables.map(name => `VACUUM FULL ${quote(name)};`),
    },
    {
      where: 'most common values that the planner keeps (pg_statistic)',
      commands: [...tables.map(name => `ANALYZE ${quote(name)};`), 'VACUUM FULL pg_statistic;'],
    },
    {
      where:
        'the write-ahead log; switch and CHECKPOINT again for each of its files that was recycled before; its archive, and replicas',
      // Files would be renamed to be used again, with what is in them.
      commands: [
        'ALTER SYSTEM SET wal_recycle = off;',
        'SELECT pg_reload_conf();',
        'CHECKPOINT;',
        'SELECT pg_switch_wal();',
        'CHECKPOINT;',
        'ALTER SYSTEM RESET wal_recycle;',
        'SELECT pg_reload_conf();',
      ],
    },
  ],
}

const EVERYWHERE: readonly Lingering[] = [
  { where: 'backups and dumps, copies for tests, exports, logs of the shop', commands: [] },
  { where: 'blocks that the file system or the flash of the disk freed and did not erase', commands: [] },
]
