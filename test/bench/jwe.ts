/** How a batch of JWE compares with a batch of tokens: through the same keeper, with its decision and its log, under one key. */
import * as jose from 'jose'
import type { Item } from '../../appliance/keeper/rpc/messages.ts'
import { jwkOf } from '../../protocol/envelope/jwk.ts'
import { parsePublicKey } from '../../protocol/envelope/token.ts'
import type { Figure } from './figure.ts'
import { FIELD, type LocalKeeper, withKeeper } from './local-keeper.ts'
import { inTurns, MEMORY } from './measure.ts'

const BATCH = 100
const RECORDS = Array.from({ length: BATCH }, (_, i) => `cust_cards/${i}`)

/** What a shop's JOSE library makes: ECDH-ES on X25519, bound to its place. */
async function jwesFor({ publicKey }: LocalKeeper): Promise<Item[]> {
  const { kid, use: _, ...jwk } = jwkOf(parsePublicKey(publicKey))!
  const key = await jose.importJWK(jwk as jose.JWK, jwk.alg)
  return Promise.all(
    RECORDS.map(async record => {
      const text = await new jose.CompactEncrypt(Buffer.from('4242424242424242'))
        .setProtectedHeader({
          alg: jwk.alg,
          enc: 'A256GCM',
          kid,
          clv: { field: FIELD, record },
          crit: ['clv'],
        })
        .encrypt(key, { crit: { clv: true } })
      return [text, FIELD, record, 'full', 0] as Item
    }),
  )
}

export const figures: { name: string; run: () => Promise<Figure> }[] = [
  {
    // the rate of the one over the rate of the other: 1 is as fast as tokens
    name: 'jwe-batch',
    run: () =>
      withKeeper(MEMORY, async keeper => {
        const [tokens, jwes] = [keeper.items(RECORDS), await jwesFor(keeper)]
        const { floor, subject } = await inTurns(
          200,
          60,
          () => keeper.decrypt(tokens),
          () => keeper.decrypt(jwes),
        )
        return {
          ...{ name: 'jwe-batch', value: floor / subject, unit: 'x', floor },
          ...({ bar: 0.5, better: 'higher' } as const),
        }
      }),
  },
]
