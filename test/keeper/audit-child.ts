/**
 * A process of its own for the audit log's tests: appends to the log in a directory, in bursts, and says the index of each
 * entry after it was acknowledged. It lives until it is killed.
 */

import { writeSync } from 'node:fs'
import { AuditLog } from '../../appliance/keeper/audit/log.ts'
import { counting, decrypt, LOG_KEY, ORIGIN } from './audit-entries.ts'

const [directory = '', run = ''] = process.argv.slice(2)
const log = await AuditLog.open({ directory, origin: ORIGIN, clock: counting() })
if (log.damage) writeSync(1, `damaged ${log.damage.message}\n`)
log.setSigner(LOG_KEY)
for (let burst = 0; ; burst++) {
  const appends = Array.from({ length: 1 + (burst % 200) }, async (_, i) => {
    const record = `${run}/${burst}/${i}`
    // To the pipe at once, so that a kill cannot take what was acknowledged.
    writeSync(1, `${await log.append(decrypt(record))} ${record}\n`)
  })
  await Promise.all(appends)
}
