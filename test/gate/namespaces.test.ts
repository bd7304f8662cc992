/**
 * Two namespaces on one device: to each it is as if the other were not there. Not one answer to anybody of the one is
 * another than on a device that never had the other.
 */
import { execFile } from 'node:child_process'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { loadDeviceIdentity } from '../../appliance/gate/identity.ts'
import { type Credentials, invitedCredentials, makeKey } from '../../host-agent/client/identity.ts'
import { sealer } from '../../host-agent/seal/seal.ts'
import { ROUTES, type RouteName } from '../../protocol/api/routes.ts'
import { issueCertificate, type Subject, toPem } from '../../protocol/identity/certificate.ts'
import { PASSPHRASE, PIN, type TestAppliance, WIDE } from '../support/appliance.ts'
import { ask, askOnce, beginning, codeOf, type RawAnswer, type RawRequest, secure } from '../support/http.ts'
import { type InProcess, startInProcess } from '../support/in-process.ts'
import { PATIENT, requestOf } from '../support/requests.ts'

const NAMES = Object.keys(ROUTES) as RouteName[]
const PLACE = { field: 'card.number', record: 'cust_cards/42' }
const CARD = '4242424242424242'
const one = (ciphertext: string) => ({ purpose: 'charge', items: [{ ciphertext, context: PLACE }] })

const BANK = {
  name: 'bank',
  jwk: generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }),
}

const two = await startInProcess({ namespaces: ['shop', 'union'], provisioned: false })
t.teardown(two.stop)
const alone = await startInProcess({ namespaces: ['union'], provisioned: false })
t.teardown(alone.stop)
const shop = two.houses.get('shop')!
const union = two.houses.get('union')!

/** A certificate by the authority of a namespace, for anybody. */
function signedBy(device: InProcess, namespace: string, subject: Subject): Credentials {
  const key = makeKey()
  const certificate = issueCertificate(subject, createPublicKey(key), {
    subject: { namespace, role: 'authority', name: 'claviger' },
    privateKey: device.device.vault(namespace)!.unlocked!.authority,
  })
  return { key: key.export({ type: 'pkcs8', format: 'pem' }) as string, certificate: toPem(certificate) }
}

const OWN = new Set([
  ...[
    'pin',
    'secret',
    'publicKey',
    'x',
    'device',
    'certificate',
    'authority',
    'logKey',
    'checkpoint',
    'token',
    'claim',
  ],
  ...[
    'created',
    'since',
    'last',
    'counted',
    'deleted',
    'signature',
    'expires',
    'time',
    'free',
    'when',
    'boot',
    'up',
    'crc',
    'fsync',
    'bytes',
  ],
])

/** What is told apart from names, numbers and texts is one's own: keys, times, hashes. */
function withoutOwn(value: unknown, key = ''): unknown {
  if (OWN.has(key)) return `(${key})`
  if (key === 'proof' || key === 'dropped' || key === 'leaves') return (value as string | unknown[]).length
  if (key === 'entry') return withoutOwn(JSON.parse(String(value)))
  if (key === 'entries') return (value as string[]).map(line => withoutOwn(JSON.parse(line)))
  if (Array.isArray(value)) return value.map(item => withoutOwn(item))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, withoutOwn(item, name)]))
}

/** An answer in one line. */
function spell({ status, headers, text }: RawAnswer): string {
  const { 'content-length': _, date: __, ...rest } = headers
  const body = headers['content-type']?.includes('json')
    ? JSON.stringify(withoutOwn(JSON.parse(text)))
    : text.replace(/^(claviger_log_(?:bytes|fsync|checkpoint)\w*(?:{.*})?) .*$/gm, '$1')
  return `${status} ${JSON.stringify(rest)} ${body}`
}

/** Everybody of a namespace, and what each of them is answered. */
class Visit {
  readonly device: InProcess
  readonly house: TestAppliance
  readonly answers: string[] = []
  /** Routes that were answered with success. */
  readonly answered = new Set<RouteName>()
  readonly #people = new Map<string, Credentials>()

  constructor(device: InProcess, house: TestAppliance) {
    this.device = device
    this.house = house
  }

  async send(who: string, what: RawRequest): Promise<RawAnswer | null> {
    const credentials = this.#people.get(who)!
    const { device, answers } = this
    const label = `${who}: ${what.method} ${what.path} ${what.body ?? ''}`
    const answer = await askOnce(device.cable(), credentials, what).catch(() => null)
    answers.push(`${label.replace(/clv1\.\S+/, 'token')}: ${answer ? spell(answer) : 'outside'}`)
    return answer
  }

  /** Every route by everybody, but those that change the state. */
  async everywhere(): Promise<void> {
    for (const [who, credentials] of this.#people) {
      for (const name of NAMES) {
        if (['lock', 'lockdown', 'enrol'].includes(name)) continue
        if (name === 'events') {
          const heard = await beginning(this.device.cable(), credentials, '/v1/events').catch(() => 'outside')
          this.answers.push(`${who}: events: ${heard.replace(/^(date|content-length): .*\r\n/gim, '')}`)
        } else {
          const what = requestOf(name, name === 'addRecipient' ? BANK : undefined)
          const answer = await this.send(who, {
            ...what,
            path: what.path.replace('keys/nothing', 'keys/orders'),
          })
          if (answer?.status === 200) this.answered.add(name)
        }
      }
    }
  }

  /** From the card to lockdown, with everything in between. */
  async story(): Promise<void> {
    const { device, house } = this
    this.#people.set('claimant', house.admin)
    await this.everywhereBefore()
    await house.provision(house.admin)
    const { namespace } = house.admin
    const admin = await house.connect(house.admin)
    await admin.changeSettings(PATIENT)
    const key = await admin.createKey('orders')
    const seal = sealer(key.versions[0]!.publicKey)
    this.#people.set('administrator', house.admin)
    this.#people.set('operator', await house.enrol('till-1', 'operator', ['orders'], PIN))
    this.#people.set('auditor', await house.enrol('books', 'auditor'))
    this.#people.set('backup', await house.enrol('nas', 'backup'))
    this.#people.set('revoked', await house.enrol('leaver', 'operator', ['orders']))
    await admin.revoke('leaver')
    this.#people.set('invited', invitedCredentials(await house.invite('later', 'auditor')))
    const stranger = { namespace, role: 'operator', name: 'nobody' }
    this.#people.set('unknown', signedBy(device, namespace, stranger))
    const elsewhere = { ...stranger, namespace: 'shop', role: 'administrator', name: 'owner-shop' }
    this.#people.set('of the shop', signedBy(device, namespace, elsewhere))
    await this.send('operator', {
      method: 'POST',
      path: '/v1/decrypt',
      body: JSON.stringify(one(seal(PLACE, CARD))),
    })
    await this.everywhere()
    await this.probe()
    await this.send('operator', requestOf('lock'))
    await this.everywhere()
    await this.send('administrator', {
      method: 'POST',
      path: '/v1/unlock',
      body: JSON.stringify({ passphrase: PASSPHRASE }),
    })
    await this.send('auditor', requestOf('lockdown'))
    await this.everywhere()
  }

  /** The claimant alone, of whom the device knows. */
  async everywhereBefore(): Promise<void> {
    for (const name of NAMES) if (name !== 'provision') await this.send('claimant', requestOf(name))
  }

  /** Names of what only the other namespace has. */
  async probe(): Promise<void> {
    const send = (method: string, path: string, body?: object) =>
      this.send('administrator', { method, path, ...(body ? { body: JSON.stringify(body) } : {}) })
    await send('GET', '/v1/keys/shop-only')
    await send('POST', '/v1/keys/shop-only/rotate')
    await send('DELETE', '/v1/agents/shop-till')
    await send('DELETE', '/v1/recipients/shop-bank')
    await send('POST', '/v1/grants', { ...WIDE, agent: 'shop-till', key: 'orders' })
    await send('POST', '/v1/grants', { ...WIDE, agent: 'till-1', key: 'shop-only' })
    await send('POST', '/v1/grants/explain', {
      ...{ agent: 'shop-till', key: 'shop-only', field: 'card.number', purpose: 'charge', reveal: 'full' },
    })
    for (const ciphertext of foreign)
      await this.send('operator', {
        method: 'POST',
        path: '/v1/decrypt',
        body: JSON.stringify(one(ciphertext)),
      })
    // Names that the other has are free here.
    await send('POST', '/v1/keys', { name: 'shop-only', suite: 'x' })
    await send('POST', '/v1/invitations', { name: 'shop-till', role: 'operator', validFor: 3600 })
  }
}

/** Tokens of the shop: under a key that the union has not, and under one of a name that it has. */
let foreign: string[] = []

t.test('When a device has another namespace, then nobody of this one can tell', async t => {
  await shop.provision(shop.admin)
  const admin = await shop.connect(shop.admin)
  const only = await admin.createKey('shop-only')
  const orders = await admin.createKey('orders')
  foreign = [only, orders].map(({ versions }) => sealer(versions[0]!.publicKey)(PLACE, CARD))
  const till = await shop.connect(await shop.enrol('shop-till', 'operator', ['shop-only', 'orders']))
  await shop.invite('shop-later', 'auditor')
  t.same(
    (await till.decrypt({ purpose: 'charge', items: foreign.flatMap(token => one(token).items) })).results,
    [{ value: CARD }, { value: CARD }],
    'the tokens are good',
  )

  const here = new Visit(two, union)
  const there = new Visit(alone, alone.appliance)
  await here.story()
  await there.story()
  t.ok(here.answers.length > 500, `${here.answers.length} answers`)
  t.ok(here.answered.size > 20, `with success by ${[...here.answered].join(', ')}`)
  const differing = here.answers.flatMap((answer, i) =>
    answer === there.answers[i] ? [] : [{ here: answer, there: there.answers[i] }],
  )
  t.same(differing, [])
  t.equal(here.answers.length, there.answers.length)
  t.equal((await admin.status()).state, 'operational', 'while the union is in lockdown, the shop is not')
  t.same((await till.decrypt(one(foreign[0]!))).results, [{ value: CARD }])
  const owner = await union.connect(union.admin)
  await owner.liftLockdown(PASSPHRASE)
  await owner.unlock({ passphrase: PASSPHRASE })
})

t.test('When an authority signs for another namespace, then its bearer is nobody', async t => {
  const codes = async (who: Credentials, name: RouteName) => {
    const answer = await askOnce(two.cable(), who, requestOf(name))
    return { status: answer.status, code: codeOf(answer), text: answer.text }
  }
  for (const role of ['administrator', 'operator', 'auditor', 'backup'])
    for (const name of NAMES) {
      const bearer = signedBy(two, 'shop', { namespace: 'union', role, name: 'owner-union' })
      const answer = await codes(bearer, name)
      t.match(answer, { status: 401, code: 'unknown-agent' }, `${role}: ${name}`)
      const nowhere = signedBy(two, 'shop', { namespace: 'nowhere', role, name: 'owner-union' })
      t.same(await codes(nowhere, name), answer, 'as for a namespace that is not here')
    }
})

t.test('When a name is in both, then each is one’s own', async t => {
  const [a, b] = [await shop.connect(shop.admin), await union.connect(union.admin)]
  await a.changeSettings(PATIENT)
  const mine = (await a.showKey('orders')).versions[0]!.publicKey
  const theirs = (await b.showKey('orders')).versions[0]!.publicKey
  t.not(mine, theirs)
  const shopTill = await shop.enrol('till-2', 'operator')
  const unionTill = await union.enrol('till-2', 'operator')
  const limit = (records: number) => ({
    ...{ ...WIDE, agent: 'till-2', key: 'orders' },
    budgets: [{ per: 'day' as const, records, operations: null, alarm: false }],
  })
  await a.addGrant(limit(1))
  await b.addGrant(limit(1))
  const [atShop, atUnion] = [await shop.connect(shopTill), await union.connect(unionTill)]
  t.same((await atShop.decrypt(one(sealer(mine)(PLACE, CARD)))).results, [{ value: CARD }])
  const next = { ...PLACE, record: 'cust_cards/43' }
  const another = { purpose: 'charge', items: [{ ciphertext: sealer(mine)(next, CARD), context: next }] }
  await t.rejects(atShop.decrypt(another), { code: 'over-budget' })
  t.same(
    (await atUnion.decrypt(one(sealer(theirs)(PLACE, CARD)))).results,
    [{ value: CARD }],
    'the budget of the other is not used up',
  )

  const open = await secure(two.cable(), unionTill)
  t.equal((await ask(open)).status, 200)
  await a.revoke('till-2')
  t.equal((await askOnce(two.cable(), shopTill)).status, 401)
  t.equal((await ask(open)).status, 200, 'revoked in one only')
  open.destroy()
})

t.test('When one is locked or in lockdown, then the other opens', async t => {
  const [a, b] = [await shop.connect(shop.admin), await union.connect(union.admin)]
  const states = async () => [(await a.status()).state, (await b.status()).state]
  const unlocking = { passphrase: PASSPHRASE }
  await a.lock()
  t.same(await states(), ['locked', 'operational'])
  await b.lock()
  await a.unlock(unlocking)
  t.same(await states(), ['operational', 'locked'])
  await b.unlock(unlocking)
  await a.lockdown()
  t.same(await states(), ['lockdown', 'operational'])
  await t.rejects(b.liftLockdown(PASSPHRASE), { code: 'wrong-state', state: 'operational' })
  await a.liftLockdown(PASSPHRASE)
  await a.unlock(unlocking)
  t.same(await states(), ['operational', 'operational'])
})

t.test('When both have worked, then each has its keystore and its log', async t => {
  const [a, b] = [await shop.connect(shop.admin), await union.connect(union.admin)]
  const read = (...path: string[]) => readFile(join(two.data, ...path))
  t.notSame(await read('keystore', 'shop'), await read('keystore', 'union'))
  const logs = await readdir(join(two.data, 'audit'))
  t.same(logs.sort(), ['shop', 'union'])
  const keys = [(await a.auditCheckpoint()).logKey, (await b.auditCheckpoint()).logKey]
  t.match(keys[0], /^claviger\/shop\+/)
  t.match(keys[1], /^claviger\/union\+/)
  const entriesOf = async (from: typeof a) => (await from.auditEntries({ from: 0, limit: 4096 })).entries
  const [mine, theirs] = [await entriesOf(a), await entriesOf(b)]
  t.ok(mine.some(line => line.includes('shop-later')))
  t.notOk(theirs.some(line => line.includes('shop-later')))
  t.ok(theirs.some(line => line.includes('"leaver"')))
  t.notOk(mine.some(line => line.includes('"leaver"')))
})

t.test('When somebody starts a handshake, then the device names no authority', async t => {
  const sClient = (port: number) =>
    new Promise<string>(resolve => {
      const args = ['s_client', '-connect', `127.0.0.1:${port}`, '-tls1_3']
      const child = execFile('openssl', args, (_error, stdout) => resolve(stdout))
      child.stdin!.end()
    })
  await two.app.listen({ host: '127.0.0.1', port: 0 })
  const said = await sClient((two.app.server.address() as AddressInfo).port)
  t.match(said, /BEGIN CERTIFICATE/)
  t.match(said, /No client certificate CA names sent/)
  t.match(said, /Requested Signature Algorithms|Client Certificate Types|Peer signing digest/)

  const { key, certificate: cert } = await loadDeviceIdentity(t.testdir())
  const named = createHttpsServer({ key, cert, ca: cert, requestCert: true, rejectUnauthorized: true })
  await new Promise<void>(resolve => named.listen(0, '127.0.0.1', resolve))
  t.teardown(() => named.close())
  t.match(await sClient((named.address() as AddressInfo).port), /Acceptable client certificate CA names/)
})
