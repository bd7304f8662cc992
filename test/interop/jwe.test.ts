/**
 * JWE of the programs that shops have: each takes the device's keys as `GET /v1/keys/jwks.json` gives them and encrypts with every
 * algorithm that it knows; the device opens that, and refuses what was damaged or is asked for elsewhere.
 */
import { generateKeyPairSync } from 'node:crypto'
import t, { type Test } from 'tap'
import type { Appliance } from '../../host-agent/client/appliance.ts'
import { handIn } from '../../host-agent/client/hand-in.ts'
import type { DecryptItem } from '../../protocol/api/schemas.ts'
import { parseJwe } from '../../protocol/envelope/jwe-read.ts'
import { WIDE } from '../support/appliance.ts'
import { noteProgram } from '../support/compatibility.ts'
import { startInProcess } from '../support/in-process.ts'
import { PATIENT } from '../support/requests.ts'
import { MAKERS, type Made, type Maker, type Order } from './jwe-programs.ts'

const PLACE = { field: 'card.number', record: 'cust_cards/42 é' }
const ELSEWHERE = { ...PLACE, record: 'cust_cards/43 é' }
/** rhonabwy's program takes nothing but JSON, and writes it like this. */
const VALUE = JSON.stringify({ number: '4111111111111111', city: 'Łódź' })
/** How often an order is made anew that a maker gets wrong now and then: not all of them are, once in ten million runs. */
const AGAIN = 4
const FAILED = { error: { code: 'open-failed' } }

/** Keys for what says its place, and those for what does not; an imported one opens both. */
const KEYS = { bound: ['orders-x', 'orders-p', 'orders-rsa'], unbound: ['any-x', 'any-p', 'orders-rsa'] }

/** The device with these keys, and somebody who may open with them. */
async function house(t: Test): Promise<Appliance> {
  const { appliance, stop } = await startInProcess()
  t.teardown(stop)
  const admin = await appliance.connect(appliance.admin)
  await admin.changeSettings(PATIENT)
  for (const suite of ['x', 'p'] as const) {
    await admin.createKey(`orders-${suite}`, suite)
    await admin.createKey(`any-${suite}`, suite, 'contextless')
  }
  const form = { padding: 'oaep-sha256', separator: '\t', fields: [PLACE.field] } as const
  const der = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
    type: 'pkcs8',
    format: 'der',
  })
  await handIn(admin, appliance.admin, { name: 'orders-rsa', ...form }, der)
  const desk = await appliance.connect(await appliance.enrol('desk', 'operator'))
  for (const key of new Set([...KEYS.bound, ...KEYS.unbound]))
    await admin.addGrant({ ...WIDE, agent: 'desk', key })
  return desk
}

/** One for each algorithm that the device has for these keys. */
async function ordersFor(desk: Appliance, names: readonly string[]): Promise<Order[]> {
  const { keys } = await desk.keySet()
  return names
    .map(name => keys.find(({ kid }) => kid === `${name}@1`)!)
    .flatMap(key => (key.kty === 'RSA' ? [key.alg] : [key.alg, 'ECDH-ES+A256KW']).map(alg => ({ key, alg })))
    .flatMap(({ key, alg }) =>
      ['A256GCM', 'A128GCM'].map(enc => {
        const { alg: own, ...bare } = key
        return { key: alg === own ? key : bare, alg, enc, place: PLACE, value: VALUE }
      }),
    )
}

const titleOf = ({ key, alg, enc }: Order) => `${alg} ${enc} for ${key.kid}`

/** Each part with a bit of it changed; the header says another content encryption. */
function damagedOf(jwe: string): string[] {
  const parts = jwe.split('.').map(part => Buffer.from(part, 'base64url'))
  return parts.flatMap((part, i) => {
    if (part.length === 0) return []
    const other = Buffer.from(
      i === 0 ? `${part}`.replace(/A(128|256)GCM/, enc => (enc === 'A128GCM' ? 'A256GCM' : 'A128GCM')) : part,
    )
    if (i > 0) other[other.length - 1]! ^= 0x80
    return [
      parts
        .with(i, other)
        .map(bytes => bytes.toString('base64url'))
        .join('.'),
    ]
  })
}

/** What it can not do is as the table says, and what it made is opened as it should be. */
async function checkMaker(t: Test, desk: Appliance, maker: Maker, orders: readonly Order[]): Promise<void> {
  const open = async (items: DecryptItem[]) => (await desk.decrypt({ purpose: 'charge', items })).results
  const item = (ciphertext: string, more: Partial<DecryptItem> = {}) => ({
    ciphertext,
    context: PLACE,
    ...more,
  })
  const made = await maker.make(orders)
  t.equal(made.length, orders.length)
  if (maker.unsteady) {
    t.throws(() => parseJwe(maker.unsteady!.example), { code: 'bad-token' }, maker.unsteady.why)
    for (const [i, order] of orders.entries())
      for (let again = 0; again < AGAIN && maker.unsteady.order(order); again++) {
        const [result] = await open([item(`${made[i]}`)])
        if (result?.error) [made[i]] = (await maker.make([order])) as [Made]
      }
  }
  const good: { order: Order; jwe: string }[] = []
  for (const [i, order] of orders.entries()) {
    const jwe = made[i] as Made
    const limit = maker.cannot.find(each => each.order(order))
    if (limit?.seen === 'none') t.match(jwe, { error: /\S/ }, `makes no ${titleOf(order)}`)
    else if (typeof jwe !== 'string') t.fail(`${titleOf(order)}: ${jwe.error}`)
    else if (limit)
      t.match(await open([item(jwe)]), [{ error: { code: 'bad-token' } }], `${titleOf(order)} is malformed`)
    else good.push({ order, jwe })
  }
  for (const { order, jwe } of good) {
    const damaged = damagedOf(jwe)
    t.ok(damaged.length >= 4)
    const [opened, elsewhere, ...others] = await open([
      item(jwe),
      item(jwe, maker.setsPlace ? { context: ELSEWHERE } : { key: order.key.kid.replace('any', 'orders') }),
      ...damaged.map(text => item(text)),
    ])
    t.same(opened, { value: VALUE }, titleOf(order))
    if (maker.setsPlace) t.same(elsewhere, FAILED, `${titleOf(order)} elsewhere`)
    else if (order.key.kty !== 'RSA')
      t.same(
        elsewhere,
        { error: { code: 'wrong-use' } },
        `${titleOf(order)} under a key for what says its place`,
      )
    t.same(
      others,
      damaged.map(() => FAILED),
      `${titleOf(order)} damaged`,
    )
  }
}

function noteMaker(t: Test, maker: Maker, orders: readonly Order[]): void {
  const note = { door: 'JWE', program: maker.program, version: maker.version() } as const
  const able = orders.filter(order => !maker.cannot.some(each => each.order(order)))
  if (able.length > 0) {
    const algorithms = [
      ...new Set(able.map(({ key, alg }) => alg + { OKP: ' on X25519', EC: ' on P-256', RSA: '' }[key.kty])),
    ]
    const how = maker.setsPlace
      ? 'with its place in the protected header'
      : 'for a contextless or an imported key'
    noteProgram(t, {
      ...note,
      does: `encrypts ${how}: ${algorithms.join(', ')}; ${[...new Set(able.map(({ enc }) => enc))].join(', ')}`,
    })
  }
  for (const { what, why } of [...maker.cannot, ...(maker.unsteady ? [maker.unsteady] : [])])
    noteProgram(t, { ...note, does: `encrypts with ${what}`, why })
  if (!maker.setsPlace && able.length > 0)
    noteProgram(t, {
      ...note,
      does: 'says its place',
      why: 'it takes no members of the header from its caller',
    })
}

t.test('JWE of others', async t => {
  const desk = await house(t)
  for (const maker of MAKERS)
    await t.test(
      `When ${maker.program} encrypts to a key of the set, then it opens, and not if damaged or elsewhere`,
      { skip: maker.missing },
      async t => {
        const all = await ordersFor(desk, maker.setsPlace ? KEYS.bound : KEYS.unbound)
        const orders = all.filter(order => !maker.leavesOut?.(order))
        noteMaker(t, maker, orders)
        await checkMaker(t, desk, maker, orders)
      },
    )
})
