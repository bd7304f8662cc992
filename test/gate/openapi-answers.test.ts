/**
 * A walk over every route of a running gate that is answered with 200 each time, and refused in each way that a caller can bring about: every
 * answer is what docs/openapi.json says. The behaviour suite (`memory.test.ts`) and the matrix hold theirs against it too.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { exportJWK } from 'jose'
import t from 'tap'
import { handIn } from '../../host-agent/client/hand-in.ts'
import { sealer } from '../../host-agent/seal/seal.ts'
import { ROUTES, type RouteName } from '../../protocol/api/routes.ts'
import { readCertificate, spkiPin } from '../../protocol/identity/certificate.ts'
import { AnswerCheck } from '../support/answers.ts'
import { PASSPHRASE, PIN, WIDE } from '../support/appliance.ts'
import { askOnce, beginning } from '../support/http.ts'
import { startInProcess } from '../support/in-process.ts'
import { BODIES, requestOf } from '../support/requests.ts'

/** Entries of one segment of the log, and some: whole segments can be archived. */
const ENTRIES = 4200
const PLACE = { field: 'card.number', record: 'cust_cards/1' }

const answers = new AnswerCheck()
const device = await startInProcess({ provisioned: false })
t.teardown(device.stop)
answers.watch(device.app.server)
const { appliance } = device
await appliance.provision(appliance.admin)
const admin = await appliance.connect(appliance.admin)

t.test('When each route does what it is for, then its answer is what the document says', async t => {
  await admin.createKey('raw', 'x', 'derive')
  const key = await admin.createKey('orders')
  const tillProfile = await appliance.enrol('till', 'operator', ['orders'], PIN)
  const till = await appliance.connect(tillProfile)
  const grant = { ...WIDE, agent: 'till', key: 'orders' }
  await admin.addGrant({ ...grant, reveal: ['rewrap'] })
  await admin.addGrant({ ...grant, key: 'raw', reveal: ['derive'] })
  await admin.addGrant({
    ...grant,
    purposes: ['label'],
    budgets: [{ per: 'day', records: 1, operations: null, alarm: false }],
    hours: { days: [1, 2, 3, 4, 5, 6, 7], from: '00:00', to: '24:00', zone: 'Europe/Berlin' },
  })

  const seal = sealer(key.versions[0]!.publicKey)
  const items = [
    { ciphertext: seal(PLACE, '4242424242424242'), context: PLACE, ref: 'a' },
    { ciphertext: seal(PLACE, Uint8Array.of(0xff)), context: PLACE },
    { ciphertext: 'x', context: PLACE },
  ]
  await till.decrypt({ purpose: 'ship', reason: 'a label', items })
  await till.rewrap({
    purpose: 'ship',
    items: items.map(({ ciphertext, context }) => ({ ciphertext, context })),
  })
  const other = generateKeyPairSync('x25519').publicKey.export({ type: 'spki', format: 'der' })
  await till.derive({ purpose: 'ship', key: 'raw', public: other.toString('base64url'), context: PLACE })
  await till.decrypt({ purpose: 'label', items: items.slice(0, 1) })
  const next = { ...PLACE, record: 'cust_cards/2' }
  const over = [{ ciphertext: seal(next, '1'), context: next }]
  await t.rejects(till.decrypt({ purpose: 'label', items: over }), { code: 'over-budget' })
  await till.decrypt({ purpose: 'label', items: [...items.slice(0, 1), ...over] })

  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const rule = { name: 'old', padding: 'oaep-sha256', separator: '\t', fields: ['card.number'] } as const
  await handIn(admin, appliance.admin, rule, privateKey.export({ type: 'pkcs8', format: 'der' }))
  await admin.rotateKey('orders')
  await admin.makeCanary('orders', { ...PLACE, value: '4000000000000002' })
  await admin.setMinimum('orders', 2)
  await admin.retireKey('orders', { version: 1 })
  for (const who of [admin, till]) {
    await who.listKeys()
    await who.showKey('orders')
    await who.keySet()
  }
  await admin.undeleteKey('orders', { version: 1 })

  const jwk = await exportJWK(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey)
  await admin.addRecipient({ name: 'bank', jwk: jwk as never })
  await admin.listRecipients()
  await admin.removeRecipient('bank')
  await admin.explainGrant({
    agent: 'till',
    key: 'orders',
    field: 'card.number',
    purpose: 'ship',
    reveal: 'full',
  })
  await admin.explainGrant({
    agent: 'till',
    key: 'orders',
    field: 'card.number',
    purpose: 'no',
    reveal: 'full',
  })
  await till.myGrants()
  for (const { id } of (await admin.listGrants()).grants.slice(0, 1)) await admin.removeGrant(id)
  await admin.changeSettings({ tries: { free: 1000, first: 1, longest: 1 } })
  await admin.showSettings()
  await admin.invite({ name: 'later', role: 'auditor', validFor: 600 })
  await admin.listAgents()
  await admin.revoke('later')
  await admin.health()
  await admin.metrics()
  await beginning(device.cable(), tillProfile, '/v1/events')

  await till.lock()
  await till.unlock({ pin: PIN, hostShare: tillProfile.hostShare! })
  await till.lockdown('a try')
  await admin.health()
  await admin.liftLockdown(PASSPHRASE)
  await admin.unlock({ passphrase: PASSPHRASE })

  const owner = {
    pin: spkiPin(readCertificate(fromPem(appliance.admin.certificate)).certificate.publicKey),
    ...{ namespace: 'default', role: 'administrator', name: 'owner' },
    issuer: { namespace: 'default', role: 'authority', name: 'claviger' },
  }
  for (let done = 0; done < ENTRIES; done += 64)
    await Promise.all(
      Array.from({ length: 64 }, () => device.keeper.handle('auditEntries', owner, { from: 0, limit: 1 })),
    )
  device.advance(32 * 86_400)
  const { checkpoint } = await admin.auditCheckpoint()
  await admin.auditConsistency({ from: 5, to: 10 })
  await admin.auditInclusion({ index: 3, size: 10 })
  await admin.auditEntries({ from: 0, limit: 10 })
  await till.auditMine({ since: 0, limit: 10 })
  t.match(await admin.auditArchive({ before: 4096, checkpoint: checkpoint! }), { oldest: 4096 })

  t.same(answers.missing(200), [], 'no route is left out')
  t.same([...answers.faults], [])
})

t.test(
  'When a request is refused, then the problem is one that the document lists for the route',
  async t => {
    const auditor = await appliance.enrol('m-auditor', 'auditor')
    const operator = await appliance.enrol('m-operator', 'operator')
    const revoked = await appliance.enrol('m-revoked', 'operator')
    await admin.revoke('m-revoked')
    for (const name of Object.keys(ROUTES) as RouteName[]) {
      await askOnce(device.cable(), revoked, requestOf(name))
      for (const who of [appliance.admin, operator, auditor]) {
        if (name === 'events' || name === 'lock' || name === 'lockdown') continue
        await askOnce(device.cable(), who, requestOf(name))
        if (!BODIES[name]) continue
        await askOnce(device.cable(), who, { ...requestOf(name), body: '{"no' })
        await askOnce(device.cable(), who, { ...requestOf(name), body: '{"nothing":1}' })
        await askOnce(device.cable(), who, { ...requestOf(name), body: `"${'x'.repeat(1_048_600)}"` })
      }
    }
    const rights = { fields: ['card.cvv'], agent: 'm-operator', key: 'orders' }
    const refused: [RouteName, object][] = [
      ['addGrant', { ...WIDE, ...rights }],
      ['addGrant', { ...WIDE, agent: 'nobody', key: 'orders' }],
      ['addGrant', { ...WIDE, agent: 'm-operator', key: 'orders', reveal: ['derive'] }],
      ['addGrant', { ...WIDE, agent: 'm-auditor', key: 'orders' }],
      ['createKey', { name: 'orders', suite: 'x' }],
      ['createKey', { name: 'q', suite: 'q', use: 'derive' }],
      ['invite', { name: 'till', role: 'operator', validFor: 600 }],
      ['importKey', { ...BODIES.importKey, fields: ['card.cvv'] }],
      ['auditArchive', { before: 5000, checkpoint: (await admin.auditCheckpoint()).checkpoint }],
      ['auditInclusion', { index: 1, size: 2 }],
    ]
    for (const [name, body] of refused) {
      const { status } = await askOnce(device.cable(), appliance.admin, requestOf(name, body))
      t.ok(status >= 400, name)
    }
    for (const [key, body] of [
      ['orders', { ...PLACE, field: 'card.cvv', value: '1' }],
      ['raw', { ...PLACE, value: '1' }],
      ['old', { ...PLACE, value: '1' }],
    ] as const)
      await t.rejects(admin.makeCanary(key, body))
    await t.rejects(admin.rotateKey('old'))
    await t.rejects(admin.retireKey('orders', { version: 2 }), { code: 'key-in-use' })
    await t.rejects(admin.revoke('owner'), { code: 'last-administrator' })
    const till = await appliance.connect(operator)
    const derive = { purpose: 'ship', key: 'raw', public: 'A'.repeat(43), context: PLACE }
    await t.rejects(till.derive(derive), { code: 'not-granted' })
    await admin.addGrant({ ...WIDE, agent: 'm-operator', key: 'raw', reveal: ['derive'] })
    await t.rejects(till.derive(derive), 'the point of order one')
    await t.rejects(till.derive({ ...derive, public: 'AA' }))
    await t.rejects(till.derive({ ...derive, context: { field: 'card.cvv', record: '' } }))
    await admin.lock()
    for (const name of Object.keys(ROUTES) as RouteName[])
      if (name !== 'events' && name !== 'lockdown')
        await askOnce(device.cable(), appliance.admin, requestOf(name))
    const hostShare = randomBytes(32).toString('base64url')
    await t.rejects(till.unlock({ pin: '000000', hostShare }), { code: 'unlock-refused' })
    device.health = null
    await t.rejects(admin.health(), { code: 'health-unavailable' })

    t.same([...answers.faults], [])
    t.same(answers.missing(401), [], 'each route has refused a stranger')
  },
)

function fromPem(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replace(/-+[^-]+-+|\s/g, ''), 'base64'))
}
