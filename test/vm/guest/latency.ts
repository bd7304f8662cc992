/** What a decrypt takes over the gadget, and where the time goes. */
import t from 'tap'
import { times } from './figures.ts'
import { site } from './site.ts'

const REQUESTS = 100
const context = { field: 'card.number', record: 'cust_cards/42' }

await t.test('When one field after the other is asked for, then each is answered', async t => {
  const { till, seal } = await site()
  const body = { purpose: 'ship', items: [{ ciphertext: seal(context, '4242424242424242'), context }] }
  const decrypts: number[] = []
  const statuses: number[] = []
  for (let i = -20; i < REQUESTS; i++) {
    const started = performance.now()
    t.match(await till.decrypt(body), { results: [{ value: '4242424242424242' }] })
    const middle = performance.now()
    await till.status()
    if (i < 0) continue
    decrypts.push(middle - started)
    statuses.push(performance.now() - middle)
  }
  times(t, 'decrypt', decrypts)
  times(t, 'status', statuses)
})
