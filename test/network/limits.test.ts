/** How many connections the LAN gets: the limits as a function of who comes when. docs/lan.md, "Limits". */
import fc from 'fast-check'
import t from 'tap'
import { Admissions, LAN_LIMITS, type LanLimits } from '../../appliance/gate/lan-limits.ts'

const PLENTY = { perSecond: 1000, burst: 1000 }
const SMALL: LanLimits = {
  connections: 10,
  reserved: 4,
  ofAddress: 6,
  handshakesOfAddress: 3,
  handshakesOfStrangers: 4,
  known: PLENTY,
  stranger: PLENTY,
  strangers: PLENTY,
}

/** An address from which an agent was answered, with nothing open. */
function introduce(admissions: Admissions<string>, address: string): void {
  admissions.admit('first', address, 0)
  admissions.secured('first')
  admissions.proven('first', 0)
  admissions.closed('first')
}

t.test('When one address begins too many handshakes, then its oldest ends for the newest', async t => {
  const admissions = new Admissions<string>(SMALL)
  for (const id of ['a', 'b', 'c']) t.same(admissions.admit(id, 'x', 0), [])
  t.same(admissions.admit('d', 'x', 0), ['a'])
  admissions.secured('b')
  t.same(admissions.admit('e', 'x', 0), [], 'a finished one is none of them')
  t.same(admissions.admit('f', 'x', 0), ['c'], 'and stays')
  t.equal(admissions.size, 4)
})

t.test('When one address has all that it may, then it gets no more until one ends', async t => {
  const admissions = new Admissions<string>(SMALL)
  introduce(admissions, 'x')
  for (const id of ['a', 'b', 'c', 'd', 'e', 'f']) {
    t.same(admissions.admit(id, 'x', 0), [])
    admissions.secured(id)
  }
  t.equal(admissions.admit('g', 'x', 0), null)
  admissions.closed('a')
  t.same(admissions.admit('g', 'x', 0), [])
})

t.test(
  'When strangers come from everywhere, then they push out each other, and never who is known',
  async t => {
    const admissions = new Admissions<string>(SMALL)
    introduce(admissions, 'till')
    t.same(admissions.admit('till-1', 'till', 0), [])
    for (let i = 0; i < 4; i++) t.same(admissions.admit(`s${i}`, `stranger ${i}`, 0), [])
    for (let i = 4; i < 50; i++) t.same(admissions.admit(`s${i}`, `stranger ${i}`, 0), [`s${i - 4}`])
    t.same(admissions.admit('till-2', 'till', 0), [], 'who is known comes in beside them')
    t.equal(admissions.size, 6)
  },
)

t.test('When everything is taken, then there is room left for who is known', async t => {
  const admissions = new Admissions<string>({ ...SMALL, handshakesOfStrangers: 100 })
  introduce(admissions, 'till')
  for (let i = 0; i < 6; i++) {
    t.same(admissions.admit(`s${i}`, `stranger ${i}`, 0), [])
    admissions.secured(`s${i}`)
  }
  t.equal(admissions.admit('s6', 'stranger 6', 0), null, 'not for one more stranger')
  for (let i = 0; i < 3; i++) t.same(admissions.admit(`t${i}`, 'till', 0), [])
  t.equal(admissions.size, 9)
})

t.test('When connections come too fast, then the rest is refused, and later there is room again', async t => {
  const rate = { perSecond: 10, burst: 5 }
  const admissions = new Admissions<string>({
    ...LAN_LIMITS,
    stranger: rate,
    strangers: { perSecond: 10, burst: 8 },
  })
  const begin = (address: string, now: number, count: number) =>
    Array.from({ length: count }, (_, i) => admissions.admit(`${address} ${now} ${i}`, address, now)).filter(
      Boolean,
    ).length
  t.equal(begin('a', 0, 20), 5, 'of one address')
  t.equal(begin('b', 0, 20), 3, 'of all strangers')
  t.equal(begin('a', 1000, 20), 5)
  t.equal(begin('a', 1000, 20), 0)
})

t.test('When nobody was seen for long, then who was known is a stranger again', async t => {
  const admissions = new Admissions<string>(SMALL)
  introduce(admissions, 'till')
  t.ok(admissions.isKnown('till', 29 * 86_400_000))
  t.notOk(admissions.isKnown('till', 31 * 86_400_000))
})

type Step = { kind: 'admit' | 'secured' | 'proven' | 'closed'; of: number; address: number; later: number }

t.test('Whatever happens, the limits hold, and what is closed is forgotten', async t => {
  const step: fc.Arbitrary<Step> = fc.record({
    kind: fc.constantFrom('admit', 'admit', 'admit', 'secured', 'proven', 'closed'),
    of: fc.nat(60),
    address: fc.nat(5),
    later: fc.nat(50),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), steps => {
      const admissions = new Admissions<number>(SMALL)
      const open = new Map<number, { address: number; secured: boolean }>()
      let now = 0
      let next = 0
      for (const { kind, of, address, later } of steps) {
        now += later
        const id = [...open.keys()][of % Math.max(1, open.size)] ?? -1
        if (kind === 'admit') {
          const displaced = admissions.admit(++next, String(address), now)
          for (const old of displaced ?? []) {
            if (!open.has(old) || open.get(old)!.secured) return false
            open.delete(old)
          }
          if (displaced) open.set(next, { address, secured: false })
        } else if (kind === 'closed') {
          admissions.closed(id)
          open.delete(id)
        } else {
          admissions[kind](id, now)
          if (kind === 'secured' && open.has(id)) open.get(id)!.secured = true
        }
        const all = [...open.values()]
        const most = (values: { address: number }[]) =>
          Math.max(0, ...[0, 1, 2, 3, 4, 5].map(a => values.filter(one => one.address === a).length))
        if (admissions.size !== open.size || open.size > SMALL.connections) return false
        if (most(all) > SMALL.ofAddress) return false
        if (most(all.filter(({ secured }) => !secured)) > SMALL.handshakesOfAddress) return false
      }
      for (const id of open.keys()) admissions.closed(id)
      return admissions.size === 0
    }),
    { numRuns: 500 },
  )
  t.pass()
})
