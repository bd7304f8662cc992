/** The fuzzer itself: the same inputs for the same seed, and what it calls a fault; then the doors that are no single parser's. */
import t from 'tap'
import { door as age } from './age.ts'
import { type Door, fuzz } from './fuzz.ts'
import { Random } from './random.ts'
import { door } from './rest.ts'

t.teardown(() => door.close?.())
const ENDLESS = Number.POSITIVE_INFINITY
const seeds = [Buffer.from('{"a":1}'), Buffer.from('hello')]
const doorThat = (take: Door['take']): Door => ({ seeds, words: [Buffer.from('word')], take })

t.test('When the seed is the same, then the inputs are, and with another they are not', async t => {
  const inputsOf = async (seed: number) => {
    const seen: string[] = []
    const remember = doorThat(async (input, random) => {
      seen.push(`${input.toString('base64')} ${random.next()}`)
      return 'seen'
    })
    const { fates, fault } = await fuzz(remember, { seed, inputs: 500, until: ENDLESS })
    t.same(fates, { seen: 500 })
    t.equal(fault, undefined)
    return seen
  }
  const first = await inputsOf(7)
  t.same(await inputsOf(7), first)
  t.notSame(await inputsOf(8), first)
  t.ok(new Set(first).size > 400, 'they differ from each other')
  const unchanged = first.filter(input => seeds.some(seed => input.startsWith(`${seed.toString('base64')} `)))
  t.ok(unchanged.length > 30 && unchanged.length < 150, `${unchanged.length} are seeds as they are`)
})

t.test('When a door throws, then it ends with the input, and that input alone throws again', async t => {
  const fragile = doorThat(async (input, random) => {
    if (input.includes('word') && random.below(4) === 0) throw new Error('broken')
    return 'whole'
  })
  const { count, fault } = await fuzz(fragile, { seed: 1, inputs: 10_000, until: ENDLESS })
  t.match(fault, { number: count - 1, what: /^Error: broken/ })
  const { input, seed } = fault!
  await t.rejects(fragile.take(input, new Random(seed)), { message: 'broken' })
})

t.test(
  'When one input takes long each time, then that is a fault; when it does once, it is none',
  async t => {
    const busy = (ms: number) => {
      const { user } = process.cpuUsage()
      while (process.cpuUsage().user - user < ms * 1000) Math.sqrt(ms)
    }
    let calls = 0
    const slowOnce = doorThat(async () => {
      if (calls++ === 3) busy(150)
      return 'taken'
    })
    t.equal((await fuzz(slowOnce, { seed: 1, inputs: 20, until: ENDLESS })).fault, undefined)
    const slow = doorThat(async () => {
      busy(120)
      return 'taken'
    })
    t.match((await fuzz(slow, { seed: 1, inputs: 20, until: ENDLESS })).fault, {
      number: 0,
      what: /^it took \d+/,
    })
  },
)

t.test('When 800 mutated bodies are posted, then each is answered as documented, or refused', async t => {
  const { count, fault, fates } = await fuzz(door, { seed: 11, inputs: 800, until: ENDLESS })
  t.equal(fault, undefined)
  t.equal(count, 800)
  for (const fate of ['opened', 'agreed', 'malformed-request', 'item bad-token', 'item open-failed'])
    t.ok(fates[fate]! > 5, `${fate}: ${fates[fate]}`)
})

t.test('When 10,000 mutated talks of age come, then each ends as the protocol says', async t => {
  const { count, fault, fates } = await fuzz(age, { seed: 11, inputs: 10_000, until: ENDLESS })
  t.equal(fault, undefined)
  t.equal(count, 10_000)
  for (const fate of ['file-key', 'error', 'not the protocol', 'recipient-stanza'])
    t.ok(fates[fate]! > 50, `${fate}: ${fates[fate]}`)
})
