/** A key process that is killed while it writes its log: every index that it told anybody is there afterwards. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { AuditLog } from '../../appliance/keeper/audit/log.ts'
import { bareNode } from '../support/environment.ts'
import { counting, ORIGIN } from './audit-entries.ts'

const KILLS = 8
/** Where it says when it is killed: a random moment, but one that can be tried again. */
const momentOf = (run: number) => (run * 137) % 400

t.test(
  'When the process is killed at any moment, then every acknowledged entry is in a whole log',
  async t => {
    const directory = await mkdtemp(join(tmpdir(), 'claviger-audit-'))
    t.teardown(() => rm(directory, { recursive: true }))
    const acknowledged = new Map<number, string>()
    const wrong: string[] = []
    for (let run = 0; run < KILLS; run++) {
      const [command, args] = bareNode(
        fileURLToPath(new URL('./audit-child.ts', import.meta.url)),
        directory,
        String(run),
      )
      const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
      const closed = once(child, 'close')
      let output = ''
      child.stdout.setEncoding('utf8').on('data', text => {
        output += text
      })
      await Promise.race([once(child.stdout, 'data'), closed])
      await sleep(momentOf(run))
      child.kill('SIGKILL')
      await closed
      // A line that was cut by the kill acknowledges nothing.
      for (const line of output.split('\n').slice(0, -1)) {
        const [index = '', record = ''] = line.split(' ')
        if (acknowledged.has(Number(index)) || index === 'damaged') wrong.push(line)
        acknowledged.set(Number(index), record)
      }
    }

    const found = new Map<number, string>()
    const log = await AuditLog.open({
      directory,
      origin: ORIGIN,
      clock: counting(),
      visit: ({ index, items }) => found.set(index, items![0]!.records[0]!),
    })
    t.teardown(() => log.close())
    t.equal(log.damage, null)
    t.same(wrong, [])
    t.same(
      [...acknowledged].filter(([index, record]) => found.get(index) !== record),
      [],
    )
    t.ok(acknowledged.size > 100, `${acknowledged.size} entries were acknowledged`)
    t.equal(log.size, found.size)
    t.same(await log.verify(), { ok: true, size: log.size })
    t.ok(log.checkpoint(), 'with a checkpoint of one of the runs')
  },
)
