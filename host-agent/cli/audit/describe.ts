/** An entry of the audit log in the words of a shop owner: when, who, what, for which purpose, how many, and the outcome. */
import { ERRORS, isErrorCode } from '../../../protocol/api/errors.ts'
import type { Entry, EntryItem } from '../../../protocol/audit/entry.ts'
import { localTime } from '../../client/errors.ts'

export const HEADINGS = ['entry', 'time', 'who', 'what', 'purpose', 'how many', 'outcome']

/** What the actions of the log are called, with `{name}` for what the entry tells. Others keep their name. */
const ACTIONS: Record<string, string> = {
  provision: 'made the device theirs',
  keystore: 'saved the keystore',
  acceptGeneration: 'took an older keystore',
  unlock: 'tried to unlock',
  unlocked: 'unlocked',
  lock: 'locked',
  lockdown: 'locked down',
  liftLockdown: 'lifted the lockdown',
  createKey: 'made the key {key}',
  rotateKey: 'rotated the key {key}',
  importKey: 'imported the key {key}',
  setMinimum: 'let {key} open from version {version} on',
  retireKey: 'retired version {version} of {key}',
  undeleteKey: 'took back retiring version {version} of {key}',
  purgeKey: 'deleted {version}',
  makeCanary: 'made a canary for {field} under {key}',
  invite: 'invited {name} ({role})',
  enrol: 'enrolled',
  revoke: 'revoked {name}',
  addGrant: 'granted {agent} {fields} for {purposes}',
  removeGrant: 'removed the grant {grant}',
  addRecipient: 'added the recipient {name}',
  removeRecipient: 'removed the recipient {name}',
  changeSettings: 'changed settings',
  auditEntries: 'read the log',
  auditMine: 'read its own entries of the log',
  auditArchive: 'archived the log before {before}',
  decrypt: 'asked to open',
  rewrap: 'asked to seal again',
  derive: 'asked for a raw secret',
}

const VERBS: Record<string, string> = {
  full: 'opened',
  last4: 'saw the last four of',
  mask: 'saw a part of',
  equals: 'compared',
  forward: 'forwarded',
  rewrap: 'sealed again',
  derive: 'was given a raw secret for',
}

/** Why the device locked down by itself. */
const TRIPS: Record<string, string> = { canary: 'a canary was opened', budget: 'a budget was exceeded' }

/** The cells under {@link HEADINGS}. */
export function describeEntry(entry: Entry): string[] {
  const { index, time, purpose, reason, code = '' } = entry
  const why = entry.action === 'lockdown' ? (reason ?? TRIPS[code]) : reason
  return [
    String(index),
    localTime(time / 1000),
    whoOf(entry),
    whatOf(entry),
    [purpose, why].filter(part => part !== undefined).join(': '),
    countOf(entry),
    outcomeOf(entry),
  ]
}

function whoOf({ agent, role }: Entry): string {
  if (agent === '') return role === '' ? 'the device' : role
  return role === 'operator' || role === '' ? agent : `${agent} (${role})`
}

function whatOf({ action, items = [], detail = {}, outcome }: Entry): string {
  const did = (item: EntryItem) => item.code === undefined && outcome === 'allowed'
  const seen = items.map(
    item => `${did(item) ? (VERBS[item.reveal] ?? item.reveal) : 'asked for'} ${item.field}`,
  )
  if (seen.length > 0) return [...new Set(seen)].join(', ')
  const text = ACTIONS[action] ?? action
  return text.replace(/\{(\w+)\}/g, (_, name: string) => String(detail[name] ?? '?'))
}

function countOf({ count, items }: Entry): string {
  if (count !== undefined) return String(count)
  return items ? String(items.reduce((sum, { records }) => sum + records.length, 0)) : ''
}

function outcomeOf({ outcome, code, items = [] }: Entry): string {
  const refused = items.flatMap(item => item.code ?? [])
  const codes = [...new Set(outcome === 'allowed' || code === undefined ? refused : [code, ...refused])]
  if (codes.length === 0) return outcome
  const why = codes.map(each => (isErrorCode(each) ? ERRORS[each].title : each)).join('; ')
  return outcome === 'allowed' ? `partly refused: ${why}` : `${outcome}: ${why}`
}
