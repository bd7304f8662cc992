/**
 * The life of a key: the lowest version that opens, retiring with days in which that can be taken back, and deleting when they
 * are over (docs/keys.md). The days are budget time, which nobody can set ({@link ./policy/elapsed.ts}); they begin with the
 * entry of the log that tells of the retirement.
 */

import { purge, retire, setMinimum, undelete } from './key-changes.ts'
import { PERIOD_MS } from './policy/grant.ts'
import type { Params } from './rpc/messages.ts'
import type { SealedVersion } from './sealed-state.ts'
import { operational, type Service } from './service.ts'

/** Who does what nobody asked for at that moment. */
const THE_DEVICE = { agent: '', role: '' }

/** @throws RegistryError `unknown-key` */
export function changeMinimum(service: Service, params: Params<'setMinimum'>): Promise<void> {
  return service.vault.update(setMinimum(params))
}

/**
 * @param index - of the entry of this change
 * @throws RegistryError `unknown-key`, `key-in-use`
 */
export function retireKey(service: Service, params: Params<'retireKey'>, index: number): Promise<void> {
  const mark = { entry: index, since: service.now(), days: params.days }
  return service.vault.update(retire(params, mark))
}

/** @throws RegistryError `unknown-key` */
export function undeleteKey(service: Service, params: Params<'undeleteKey'>): Promise<void> {
  return service.vault.update(undelete(params))
}

/** ms of budget time until a retired version is deleted; 0 or less when it is due. */
export function untilDeletion(
  service: Service,
  { entry, days }: NonNullable<SealedVersion['retired']>,
): number {
  const { recorder } = service
  return days * PERIOD_MS.day - recorder.chronicle.sinceRetired(entry, recorder.now.budget)
}

/** Names of the versions that are due, `orders@1`. */
export function dueVersions(service: Service): string[] {
  return [...operational(service).keys.values()].flatMap(({ name, versions }) =>
    [...versions.values()]
      .filter(({ retired }) => retired && untilDeletion(service, retired) <= 0)
      .map(({ version }) => `${name}@${version}`),
  )
}

/**
 * Deletes the versions that are due, in two generations: the file of the generation before, which is kept beside the newest
 * one, has them no more, either.
 *
 * @throws ClavigerError `audit-unavailable`, and nothing is deleted; `wrong-state` when it was locked meanwhile
 */
export async function purgeDue(service: Service): Promise<void> {
  const { vault, recorder } = service
  const due = new Set(dueVersions(service))
  for (const version of due)
    await recorder.write({ ...THE_DEVICE, action: 'purgeKey', outcome: 'allowed', detail: { version } })
  await vault.update(purge((key, { version, retired }) => !!retired && due.has(`${key}@${version}`)))
  await vault.update(state => state)
  const { generation } = vault
  await recorder.told({ ...THE_DEVICE, action: 'keystore', outcome: 'allowed', detail: { generation } })
}
