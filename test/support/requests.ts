/** A well-formed body for each route that takes one, so that what is refused is refused for another reason. */
import { ROUTES, type RouteName } from '../../protocol/api/routes.ts'
import type { DecryptItem } from '../../protocol/api/schemas.ts'
import { PASSPHRASE, WIDE } from './appliance.ts'

/** An item that is no token. */
export const ITEM: DecryptItem = { ciphertext: 'x', context: { field: 'f', record: '' } }

/** Settings with which nobody has to wait. */
export const PATIENT = { tries: { free: 1000, first: 1, longest: 1 } }

export const BODIES: { [name in RouteName]?: object } = {
  provision: { passphrase: PASSPHRASE },
  unlock: { passphrase: 'not the passphrase' },
  lockdown: { reason: 'a try' },
  liftLockdown: { passphrase: 'not the passphrase' },
  createKey: { name: 'again', suite: 'x' },
  makeCanary: { field: 'card.number', record: 'cust_cards/1', value: '4242424242424242' },
  invite: { name: 'somebody', role: 'auditor', validFor: 3600 },
  enrol: {},
  rewrap: { purpose: 'ship', items: [ITEM] },
  derive: { purpose: 'ship', key: 'orders', public: 'A'.repeat(43), context: { field: 'f', record: '' } },
  setMinimum: { version: 1 },
  retireKey: { version: 1 },
  undeleteKey: { version: 1 },
  importKey: { name: 'old', sealed: 'AAAA', padding: 'pkcs1', separator: '\t', fields: ['card.number'] },
  decrypt: { purpose: 'ship', items: [ITEM] },
  addGrant: { ...WIDE, agent: 'till-1', key: 'orders' },
  explainGrant: { agent: 'till-1', key: 'orders', field: 'card.number', purpose: 'ship', reveal: 'full' },
  addRecipient: { name: 'bank', jwk: { kty: 'EC' } },
  changeSettings: PATIENT,
  auditConsistency: { from: 1, to: 2 },
  auditInclusion: { index: 1, size: 2 },
  auditEntries: { from: 0, limit: 10 },
  auditMine: { since: 0, limit: 10 },
  auditArchive: { before: 1, checkpoint: 'no checkpoint' },
}

/** A well-formed request. */
export function requestOf(
  name: RouteName,
  body = BODIES[name],
): { method: string; path: string; body?: string } {
  const { method, path } = ROUTES[name]
  const url = path.replace(/:\w+/, 'nothing')
  return { method, path: url, ...(body ? { body: JSON.stringify(body) } : {}) }
}
