/** Routes about agents: list, invite, enrol, revoke. */
import { ClavigerError } from '../../../protocol/api/errors.ts'
import type { EnrolBody, InviteBody } from '../../../protocol/api/schemas.ts'
import { toBase64url } from '../../../protocol/bytes.ts'
import type { Gate } from '../app.ts'
import { certificatesOf, peerCertificate } from './certificates.ts'
import { readHostShare } from './device.ts'

export function agentRoutes({ keeper, stretcher, mount }: Gate): void {
  mount('listAgents', async (_request, caller) => {
    const rows = await keeper.call('listAgents', caller, {})
    return { agents: rows.map(row => ({ ...row, pin: row.pin && toBase64url(row.pin) })) }
  })

  mount('invite', async (request, caller) => {
    const { name, secret, expires } = await keeper.call('invite', caller, {
      unattended: false,
      ...(request.body as InviteBody),
    })
    return { name, secret: toBase64url(secret), expires }
  })

  mount('enrol', async (request, caller) => {
    const { pin, hostShare } = request.body as EnrolBody
    const certificate = peerCertificate(request)
    if (hostShare === undefined) {
      if (pin !== undefined) throw new ClavigerError('malformed-request', 'a pin needs a hostShare')
      return certificatesOf(await keeper.call('enrol', caller, { certificate, staff: null }))
    }
    const share = readHostShare(hostShare)
    if (pin === undefined)
      return certificatesOf(
        await keeper
          .call('enrol', caller, { certificate, staff: { hostShare: share } })
          .finally(() => share.fill(0)),
      )
    const admitted = () => keeper.call('admit', caller, { route: 'enrol' })
    const typed = await stretcher.fresh(caller, 'pin', pin, admitted)
    const staff = { pin: typed, hostShare: share }
    return certificatesOf(
      await keeper.call('enrol', caller, { certificate, staff }).finally(() => {
        for (const secret of [typed.output, share]) secret.fill(0)
      }),
    )
  })

  mount('revoke', (request, caller) => keeper.call('revoke', caller, request.params as { name: string }))
}
