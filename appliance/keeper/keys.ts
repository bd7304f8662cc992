/** Methods about keys: list, show, create, rotate, import. Only public halves are answered. */

import type { Standing } from '../../protocol/api/routes.ts'
import { KeyError } from '../../protocol/envelope/errors.ts'
import { sealField } from '../../protocol/envelope/field.ts'
import { ForbiddenFieldError, isForbiddenField } from '../../protocol/envelope/forbidden.ts'
import { openHandedIn, type Ticket } from '../../protocol/envelope/hand-in.ts'
import { generatePrivateKey } from '../../protocol/envelope/keys.ts'
import { checkPadding, importLegacyKey, proveLegacyKey } from '../../protocol/envelope/legacy.ts'
import { checkForm } from '../../protocol/envelope/legacy-payload.ts'
import { parsePublicKey } from '../../protocol/envelope/token.ts'
import { canaryDigest } from './decrypt.ts'
import { opensFields } from './foreign.ts'
import { keyRow } from './key-row.ts'
import {
  addCanary,
  addKey,
  addLegacyKey,
  addVersion,
  isForOther,
  isLegacy,
  isRetired,
  unknownKey,
} from './registry.ts'
import type { KeyRow, Params } from './rpc/messages.ts'
import { operational, type Service } from './service.ts'
import { currentOf, type Key } from './unlocked.ts'

export function listKeys(service: Service, standing: Standing): KeyRow[] {
  return [...operational(service).keys.values()].map(key => keyRow(service, key, readsLog(standing)))
}

/** @throws RegistryError `unknown-key` */
export function showKey(
  service: Service,
  { key }: Pick<Params<'showKey'>, 'key'>,
  standing: Standing = 'administrator',
): KeyRow {
  return keyRow(service, find(service, key), readsLog(standing))
}

const readsLog = (standing: Standing) => standing === 'administrator' || standing === 'auditor'

/** Names that a route has beside `/v1/keys/:key`. */
const TAKEN_NAMES: readonly string[] = ['jwks.json']

/** @throws RegistryError `key-exists`; KeyError `bad-key` for a use that the suite has not */
export async function createKey(service: Service, params: Params<'createKey'>): Promise<KeyRow> {
  const { name, suite, use = 'fields' } = params
  if (TAKEN_NAMES.includes(name)) throw new KeyError(`no key can be named ${name}`)
  if (suite === 'q' && (use === 'derive' || use === 'contextless'))
    throw new KeyError(`a key of suite q is not for ${use}, but one of suite x or p is`)
  const { pkcs8 } = generatePrivateKey(suite)
  await service.vault.update(addKey(name, suite, pkcs8, service.now(), use)).finally(() => pkcs8.fill(0))
  return showKey(service, { key: name })
}

/** @throws RegistryError `unknown-key` */
export async function rotateKey(service: Service, { key: name }: Params<'rotateKey'>): Promise<KeyRow> {
  const { suite } = find(service, name)
  if (suite === 'rsa') throw isLegacy(name, 'has one version only')
  const { pkcs8 } = generatePrivateKey(suite)
  await service.vault.update(addVersion(name, pkcs8, service.now())).finally(() => pkcs8.fill(0))
  return showKey(service, { key: name })
}

/** What the next private key is sealed to, so that it is readable here and nowhere on the way. */
export function importTicket(service: Service): Ticket {
  const { tickets, vault, recorder } = service
  return tickets.issue(vault.namespace, operational(service).logKey, recorder.up)
}

/**
 * Takes in a private key that a shop had on its server. It is sealed away like those that are made here, and never answered.
 *
 * @throws OpenError where it was not sealed to the newest ticket, with what is said beside it; KeyError `bad-key`;
 * ForbiddenFieldError; RegistryError `key-exists`
 */
export async function importKey(service: Service, params: Params<'importKey'>): Promise<KeyRow> {
  const { name, sealed, padding, label, separator, fields, charset, bound } = params
  const form = {
    padding,
    separator,
    fields,
    ...(label ? { label } : {}),
    ...(charset === 'utf-8' ? {} : { charset }),
    ...(bound ? { bound } : {}),
  }
  const pkcs8 = openHandedIn(service.tickets.take(service.recorder.up), { name, ...form }, sealed)
  try {
    if (TAKEN_NAMES.includes(name)) throw new KeyError(`no key can be named ${name}`)
    checkPadding(form)
    checkForm(form)
    proveLegacyKey(importLegacyKey(pkcs8, form))
    await service.vault.update(addLegacyKey(name, pkcs8, form, service.now()))
  } finally {
    pkcs8.fill(0)
  }
  return showKey(service, { key: name })
}

/** A token under the current version that is told from others only by its digest in the registry. */
export async function makeCanary(
  service: Service,
  { key, field, record, value }: Params<'makeCanary'>,
): Promise<{ token: string }> {
  if (isForbiddenField(field)) throw new ForbiddenFieldError(field)
  const found = find(service, key)
  if (found.suite === 'rsa') throw isLegacy(key, 'nothing is sealed under')
  if (!opensFields(found.use)) throw isForOther(key, found.use, 'nothing is sealed under it')
  const current = currentOf(found)
  if (current.retired) throw isRetired(key)
  const token = sealField(parsePublicKey(current.publicKey), { field, record }, Buffer.from(value))
  await service.vault.update(addCanary(canaryDigest(token)))
  return { token }
}

function find(service: Service, name: string): Key {
  const key = operational(service).keys.get(name)
  if (!key) throw unknownKey(name)
  return key
}
