/** What a method does, once it is decided that it may. */
import { ClavigerError } from '../../protocol/api/errors.ts'
import type { Standing } from '../../protocol/api/routes.ts'
import { enrol, invite, listAgents, revoke } from './agents.ts'
import { archive, readEntries } from './auditing.ts'
import {
  explainGrant,
  grant,
  listGrants,
  listRecipients,
  myGrants,
  register,
  unregister,
  withdraw,
} from './grants.ts'
import { changeMinimum, retireKey, undeleteKey } from './key-life.ts'
import { createKey, importKey, importTicket, listKeys, makeCanary, rotateKey, showKey } from './keys.ts'
import { readMine } from './own-entries.ts'
import type { Caller, Method } from './rpc/messages.ts'
import type { Service } from './service.ts'
import { changeSettings, readSettings } from './settings.ts'
import { provisionDevice, unlockCost } from './unlocking.ts'

/** One request that was admitted. */
export interface Call {
  method: Method
  caller: Caller
  params: never
  standing: Standing
  /** Of its entry in the log; 0 where it has none. */
  index: number
}

/** @throws ClavigerError as the method does */
export async function perform(service: Service, call: Call): Promise<unknown> {
  const { method, caller, params, standing, index } = call
  switch (method) {
    case 'provision':
      return provisionDevice(service, params)
    case 'unlockCost':
      return unlockCost(service, caller, params, standing)
    case 'listKeys':
    case 'keySet':
      return listKeys(service, standing)
    case 'showKey':
      return showKey(service, params, standing)
    case 'createKey':
      return createKey(service, params)
    case 'rotateKey':
      return rotateKey(service, params)
    case 'setMinimum':
      await changeMinimum(service, params)
      return showKey(service, params)
    case 'retireKey':
      await retireKey(service, params, index)
      return showKey(service, params)
    case 'undeleteKey':
      await undeleteKey(service, params)
      return showKey(service, params)
    case 'importTicket':
      return importTicket(service)
    case 'importKey':
      return importKey(service, params)
    case 'makeCanary':
      return makeCanary(service, params)
    case 'listAgents':
      return listAgents(service)
    case 'invite':
      return invite(service, params)
    case 'enrol':
      return enrol(service, caller, params)
    case 'revoke':
      return revoke(service, params)
    case 'listGrants':
      return listGrants(service)
    case 'myGrants':
      return myGrants(service, caller)
    case 'addGrant':
      return grant(service, params, index)
    case 'removeGrant':
      return withdraw(service, params)
    case 'explainGrant':
      return explainGrant(service, params, service.recorder.now)
    case 'listRecipients':
      return listRecipients(service)
    case 'addRecipient':
      return register(service, params)
    case 'removeRecipient':
      return unregister(service, params)
    case 'showSettings':
      return readSettings(service.vault)
    case 'changeSettings':
      return changeSettings(service, params)
    case 'auditEntries':
      return readEntries(service, params)
    case 'auditMine':
      return readMine(service, caller, params)
    case 'auditArchive':
      return archive(service, params)
    default:
      throw new ClavigerError('unknown-route')
  }
}
