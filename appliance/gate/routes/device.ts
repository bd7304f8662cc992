/** Routes about the device itself: status, provision, unlock, lock, lockdown. */

import type { Static } from 'typebox'
import { ClavigerError } from '../../../protocol/api/errors.ts'
import type { ProvisionBody, Status, UnlockBody } from '../../../protocol/api/schemas.ts'
import { fromBase64url, toBase64url } from '../../../protocol/bytes.ts'
import { claimProof } from '../../../protocol/identity/claim.ts'
import type { Gate, GateOptions } from '../app.ts'
import type { Typed } from '../stretch.ts'
import { certificatesOf } from './certificates.ts'

export function deviceRoutes(gate: Gate, options: GateOptions): void {
  const { keeper, identity, stretcher, mount } = gate
  const proof = options.claim ? toBase64url(claimProof(options.claim, identity.pin)) : null

  mount('status', async (_request, caller): Promise<Status> => {
    const { state, namespace, reason } = await keeper.call('status', caller, {})
    return {
      device: toBase64url(identity.pin),
      name: options.name,
      version: options.version,
      namespace,
      state,
      ...(reason ? { reason } : {}),
      ...(state === 'unprovisioned' && proof ? { claim: proof } : {}),
    }
  })

  mount('provision', async (request, caller) => {
    const { passphrase } = request.body as Static<typeof ProvisionBody>
    const admitted = () => keeper.call('admit', caller, { route: 'provision' })
    const typed = await stretcher.fresh(caller, 'passphrase', passphrase, admitted)
    return certificatesOf(
      await keeper.call('provision', caller, { passphrase: typed }).finally(() => typed.output.fill(0)),
    )
  })

  mount('unlock', async (request, caller) => {
    const body = request.body as UnlockBody
    const cost = (factor: Typed) => () => keeper.call('unlockCost', caller, { route: 'unlock', factor })
    if ('passphrase' in body) {
      const passphrase = await stretcher.existing(caller, 'passphrase', body.passphrase, cost('passphrase'))
      return keeper.call('unlock', caller, { passphrase }).finally(() => passphrase.fill(0))
    }
    const hostShare = readHostShare(body.hostShare)
    if (!('pin' in body)) return keeper.call('unlock', caller, { hostShare }).finally(() => hostShare.fill(0))
    const pin = await stretcher.existing(caller, 'pin', body.pin, cost('pin'))
    return keeper.call('unlock', caller, { pin, hostShare }).finally(() => {
      for (const secret of [pin, hostShare]) secret.fill(0)
    })
  })

  mount('lock', (_request, caller) => keeper.call('lock', caller, {}))

  mount('lockdown', (request, caller) => {
    const { reason = '' } = request.body as { reason?: string }
    return keeper.call('lockdown', caller, { reason })
  })

  mount('liftLockdown', async (request, caller) => {
    const body = request.body as Static<typeof ProvisionBody>
    const cost = () => keeper.call('unlockCost', caller, { route: 'liftLockdown', factor: 'passphrase' })
    const passphrase = await stretcher.existing(caller, 'passphrase', body.passphrase, cost)
    return keeper.call('liftLockdown', caller, { passphrase }).finally(() => passphrase.fill(0))
  })
}

/** @throws ClavigerError `malformed-request` for text that is not 32 bytes in base64url */
export function readHostShare(text: string): Uint8Array {
  const share = fromBase64url(text)
  if (share?.length !== 32)
    throw new ClavigerError('malformed-request', 'hostShare must be 32 bytes in base64url')
  return share
}
