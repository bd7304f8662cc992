/** What is so for each method: its route, whether it is a change, and what the log tells of it. Never a secret. */
import type { RouteName } from '../../protocol/api/routes.ts'
import type { Grant } from './policy/grant.ts'
import type { Method, Params } from './rpc/messages.ts'

/** Methods that write the keystore: one after the other. */
export const CHANGES: ReadonlySet<Method> = new Set([
  'provision',
  'unlock',
  'liftLockdown',
  'createKey',
  'rotateKey',
  'setMinimum',
  'retireKey',
  'undeleteKey',
  'importKey',
  'makeCanary',
  'invite',
  'enrol',
  'revoke',
  'addGrant',
  'removeGrant',
  'addRecipient',
  'removeRecipient',
  'changeSettings',
  'auditArchive',
])

/** The route that a method serves: who may call it, and when. */
export function routeOf<M extends Method>(method: M, params: Params<M>): RouteName {
  if (method === 'admit') return (params as Params<'admit'>).route
  if (method === 'report') return (params as Params<'report'>).route
  if (method === 'unlockCost') return (params as Params<'unlockCost'>).route
  return method as RouteName
}

type Detail = Record<string, string | number | boolean>

/** Methods that are written before they are done, and how; all others change nothing, or write their own entries. */
const RECORDED: { [M in Method]?: (params: Params<M>) => Detail } = {
  provision: () => ({}),
  createKey: ({ name, suite, use }) => ({ key: name, suite, ...(use ? { use } : {}) }),
  rotateKey: ({ key }) => ({ key }),
  setMinimum: ({ key, version }) => ({ key, version }),
  retireKey: ({ key, version, days }) => ({ key, version: version || 'all', days }),
  undeleteKey: ({ key, version }) => ({ key, version: version || 'all' }),
  importKey: ({ name, padding, fields }) => ({
    key: name,
    padding,
    fields: fields.map(field => field || '-').join(' '),
  }),
  // Which record holds a canary is for nobody who reads the log.
  makeCanary: ({ key, field }) => ({ key, field }),
  invite: ({ name, role, validFor, unattended }) => ({ name, role, validFor, unattended }),
  enrol: ({ staff }) => ({
    pinSlot: staff !== null && 'pin' in staff,
    unattended: staff !== null && !('pin' in staff),
  }),
  revoke: ({ name }) => ({ name }),
  addGrant: grant => grantDetail(grant),
  removeGrant: ({ id }) => ({ grant: id }),
  addRecipient: ({ name }) => ({ name }),
  removeRecipient: ({ name }) => ({ name }),
  changeSettings: ({ tries }) => tries,
  auditEntries: ({ from, limit }) => ({ from, limit }),
  auditMine: ({ since, limit }) => ({ since, limit }),
  auditArchive: ({ before }) => ({ before }),
}

/** @returns `null` for a method that has no entry of its own */
export function detailOf<M extends Method>(method: M, params: Params<M>): Detail | null {
  return RECORDED[method]?.(params) ?? null
}

function grantDetail(grant: Params<'addGrant'>): Detail {
  const { agent, key, fields, purposes, reveal, budgets, hours, presence, target } = grant
  return {
    agent,
    key,
    fields: fields.join(' '),
    purposes: purposes.join(' '),
    reveal: reveal.join(' '),
    budgets: budgets.map(spellBudget).join(' '),
    hours: hours ? `${hours.days.join('')} ${hours.from}-${hours.to} ${hours.zone}` : '',
    ...(presence ? { presence } : {}),
    ...(target ? { target } : {}),
  }
}

/** As the command line takes it: `day=200`, `hour=50ops`, `day=300!`. */
function spellBudget({ per, records, operations, alarm }: Grant['budgets'][number]): string {
  const limits = [
    ...(records === null ? [] : [`${records}`]),
    ...(operations === null ? [] : [`${operations}ops`]),
  ]
  return limits.map(limit => `${per}=${limit}${alarm ? '!' : ''}`).join(' ')
}
