/** What an operator may see of the audit log: the entries that it made itself, and nobody else's. */
import { MINE_LOOKS_AT, MINE_OLDER } from '../../protocol/api/routes.ts'
import { type Entry, readEntry } from '../../protocol/audit/entry.ts'
import { pinOf } from './recorder.ts'
import type { Caller, Params, Results } from './rpc/messages.ts'
import type { Service } from './service.ts'

/** Bytes of entries in one answer, at most; at least one entry is answered. */
const MAX_BYTES = 524_288

/** How every line begins; nothing that a caller says is before the name. */
const HEAD = /^\{"index":\d+,"time":(\d+),"boot":"[^"]*","up":\d+,"agent":"([^"\\]*)"/

/**
 * Entries of the caller, newest first, of a number that is bounded. Names are given again after a revocation, so what is before the
 * last revocation of the name is another agent's.
 */
export async function readMine(
  { recorder: { log } }: Service,
  caller: Caller,
  { since, limit }: Params<'auditMine'>,
): Promise<Results['auditMine']> {
  const entries: string[] = []
  let bytes = 0
  let older = 0
  let isAll = false
  const isEnough = () => entries.length === limit || bytes >= MAX_BYTES
  const wasAllShown = await log.newestFirst(MINE_LOOKS_AT, line => {
    const [, time, agent] = HEAD.exec(line) ?? []
    if (time === undefined) return true
    older = Number(time) < since ? older + 1 : 0
    const entry = agent === caller.name || line.includes('"action":"revoke"') ? readEntry(line) : null
    isAll = older === MINE_OLDER || (entry !== null && revokes(entry, caller.name))
    if (isAll) return false
    if (older > 0 || entry === null || !isOf(entry, caller)) return true
    if (isEnough()) return false
    entries.push(line)
    bytes += Buffer.byteLength(line)
    return true
  })
  return { entries, complete: isAll || wasAllShown }
}

function revokes({ action, outcome, detail }: Entry, name: string): boolean {
  return action === 'revoke' && outcome === 'allowed' && detail?.name === name
}

/** Refused tries under the name may be those of a certificate that was revoked. Which alarm one set off is for those who watch. */
function isOf({ agent, role, action, code, detail }: Entry, caller: Caller): boolean {
  const isAlarm = action === 'lockdown' && code !== undefined
  const isPin = detail?.pin === undefined || detail.pin === pinOf(caller)
  return agent === caller.name && role === caller.role && isPin && !isAlarm
}
