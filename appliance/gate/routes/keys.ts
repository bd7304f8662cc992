/** Routes about keys. Only public halves pass here. */
import type { CanaryBody, KeyInfo } from '../../../protocol/api/schemas.ts'
import type { Gate } from '../app.ts'

export function keyRoutes({ keeper, mount }: Gate): void {
  mount('listKeys', async (_request, caller) => ({ keys: await keeper.call('listKeys', caller, {}) }))
  mount('showKey', (request, caller) => keeper.call('showKey', caller, request.params as { key: string }))
  mount('createKey', (request, caller) =>
    keeper.call('createKey', caller, request.body as Pick<KeyInfo, 'name' | 'suite'>),
  )
  mount('rotateKey', (request, caller) => keeper.call('rotateKey', caller, request.params as { key: string }))
  mount('makeCanary', (request, caller) => {
    const { key } = request.params as { key: string }
    return keeper.call('makeCanary', caller, { key, ...(request.body as CanaryBody) })
  })
}
