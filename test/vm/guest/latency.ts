/** What a decrypt takes over the gadget, and where the time goes. */
import t from 'tap'
import { times } from './figures.ts'
import { site } from './site.ts'

const REQUESTS = 100
const VALUE = '4242424242424242'
const context = { field: 'card.number', record: 'cust_cards/42' }

/** Ms; a guest that hangs shall say where. */
const LIMIT = { timeout: 4 * 60_000 }

await t.test('When one field after the other is asked for, then each is answered', LIMIT, async t => {
  const { till, seal } = await site()
  const body = { purpose: 'ship', items: [{ ciphertext: seal(context, VALUE), context }] }
  let wrong = 0
  const decrypts: number[] = []
  const statuses: number[] = []
  for (let i = -20; i < REQUESTS; i++) {
    const started = performance.now()
    const { results } = await till.decrypt(body)
    const middle = performance.now()
    await till.status()
    if (results[0]?.value !== VALUE) wrong++
    if (i < 0) continue
    decrypts.push(middle - started)
    statuses.push(performance.now() - middle)
  }
  t.equal(wrong, 0)
  times(t, 'decrypt', decrypts)
  times(t, 'status', statuses)
})
