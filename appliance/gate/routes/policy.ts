/** Routes about grants, recipients and settings. */
import { ClavigerError } from '../../../protocol/api/errors.ts'
import type {
  ExplainBody,
  GrantBody,
  RecipientBody,
  RecipientInfo,
  Settings,
} from '../../../protocol/api/schemas.ts'
import type { Gate } from '../app.ts'

/** Characters of a JWK as JSON: an RSA key of 8,192 bits has some 1,500. */
const MAX_JWK = 8192

export function policyRoutes({ keeper, mount }: Gate): void {
  mount('listGrants', async (_request, caller) => ({ grants: await keeper.call('listGrants', caller, {}) }))
  mount('myGrants', (_request, caller) => keeper.call('myGrants', caller, {}))
  mount('addGrant', (request, caller) => keeper.call('addGrant', caller, request.body as GrantBody))
  mount('removeGrant', (request, caller) =>
    keeper.call('removeGrant', caller, request.params as { id: string }),
  )
  mount('explainGrant', async (request, caller) => {
    const { allowed, code, grant, free, touch, rules } = await keeper.call(
      'explainGrant',
      caller,
      request.body as ExplainBody,
    )
    return {
      allowed,
      ...(code && { code }),
      ...(grant && { grant }),
      ...(free && { free }),
      ...(touch && { touch }),
      rules,
    }
  })

  mount('listRecipients', async (_request, caller) => {
    const rows = await keeper.call('listRecipients', caller, {})
    return { recipients: rows.map(recipientOf) }
  })
  mount('addRecipient', async (request, caller) => {
    const { name, jwk } = request.body as RecipientBody
    const text = JSON.stringify(jwk)
    if (text.length > MAX_JWK) throw new ClavigerError('bad-recipient', 'the key is too large')
    return recipientOf(await keeper.call('addRecipient', caller, { name, jwk: text }))
  })
  mount('removeRecipient', (request, caller) =>
    keeper.call('removeRecipient', caller, request.params as { name: string }),
  )

  mount('showSettings', (_request, caller) => keeper.call('showSettings', caller, {}))
  mount('changeSettings', (request, caller) =>
    keeper.call('changeSettings', caller, request.body as Settings),
  )
}

function recipientOf({ name, jwk, since }: { name: string; jwk: string; since: number }): RecipientInfo {
  return { name, jwk: JSON.parse(jwk) as RecipientInfo['jwk'], since }
}
