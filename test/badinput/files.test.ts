/** What is read from cards, from the disk of a workstation, and from whoever answers: one documented error each. */
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'
import fc from 'fast-check'
import t from 'tap'
import { loadDeviceIdentity } from '../../appliance/gate/identity.ts'
import { parseProvision } from '../../appliance/provision.ts'
import { Appliance } from '../../host-agent/client/appliance.ts'
import { makeCard } from '../../host-agent/client/card.ts'
import { connectProfile, provision } from '../../host-agent/client/connect.ts'
import { ApplianceError, ConnectionError, readProblem } from '../../host-agent/client/errors.ts'
import { listProfiles, type Profile, readProfile, writeProfile } from '../../host-agent/client/profile.ts'
import { pinned } from '../../host-agent/client/tls.ts'
import type { Wire } from '../../host-agent/client/wire.ts'
import { ClavigerError, isErrorCode } from '../../protocol/api/errors.ts'
import { memoryCable } from '../support/memory-wire.ts'

const { provisionJson, profile } = makeCard('owner', 'test device')
const two = makeCard('owner', 'test device', ['shop', 'union'])
/** A card of one namespace, and one of two. */
const cards = [provisionJson, two.provisionJson]

/** Values that are nearly right, and values that are not at all. */
const hostile = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom('', ' ', 'A', '====', '../..', '\0', 'x'.repeat(100_000), '__proto__'),
)

t.test('When provision.json is not what flashing writes, then the error says so', async t => {
  t.match(parseProvision(provisionJson), {
    name: 'test device',
    namespaces: new Map([['default', { subject: { role: 'administrator', name: 'owner' } }]]),
  })
  t.match(parseProvision(two.provisionJson), {
    name: 'test device',
    namespaces: new Map([
      ['shop', { subject: { namespace: 'shop', name: 'owner-shop' } }],
      ['union', { subject: { namespace: 'union', name: 'owner-union' } }],
    ]),
  })
  /** True for an error of ours: it names the file, or has a code. */
  const refuses = (text: string) => {
    try {
      parseProvision(text)
    } catch (error) {
      return (error as Error).message.startsWith('provision.json') || error instanceof ClavigerError
    }
    return false
  }
  for (const text of [
    '',
    'null',
    '[]',
    '1',
    '{}',
    '['.repeat(60_000),
    `"${'x'.repeat(70_000)}"`,
    '['.repeat(5_000_000),
  ])
    t.ok(refuses(text), text.slice(0, 10))
  fc.assert(fc.property(fc.oneof(fc.json(), fc.string({ unit: 'binary' })), refuses))
  for (const text of cards) {
    fc.assert(fc.property(fc.nat(), at => refuses(text.trimEnd().slice(0, at % (text.length - 1)))))
    const card = JSON.parse(text) as Record<string, unknown>
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(card)), hostile, (key, value) => {
        fc.pre(!(key === 'name' && typeof value === 'string' && value.length > 0 && value.length <= 64))
        return refuses(JSON.stringify({ ...card, [key]: value }))
      }),
    )
  }
  const { namespaces, ...rest } = JSON.parse(two.provisionJson)
  const [shop, union] = namespaces
  const listed = (...namespaces: unknown[]) => JSON.stringify({ ...rest, namespaces })
  t.notOk(refuses(listed(shop, union)), 'so far it is good')
  const bad: Record<string, unknown[]> = {
    none: [],
    'the same twice': [shop, union, shop],
    'an administrator of the other': [{ ...shop, administrator: union.administrator }],
    'a name with a dot': [{ ...shop, namespace: 'shop.lock' }],
    'a name in capitals': [{ ...shop, namespace: 'Shop' }],
    'a path': [{ ...shop, namespace: '../shop' }],
    'no name': [{ administrator: shop.administrator }],
    'no administrator': [{ namespace: 'shop' }],
    'no objects': [null, 1, 'shop'],
    'too many': Array.from({ length: 65 }, () => shop),
  }
  for (const [what, list] of Object.entries(bad)) t.ok(refuses(listed(...list)), what)
  fc.assert(
    fc.property(fc.constantFrom('namespace', 'administrator'), hostile, (key, value) =>
      refuses(listed({ ...shop, [key]: value })),
    ),
  )
})

t.test('When a profile is not what enrolling wrote, then it is a bad profile', async t => {
  const directory = t.testdir()
  await writeProfile(directory, profile)
  t.same(await readProfile(directory, 'owner'), profile)
  const write = (text: string) => writeFile(join(directory, 'hurt.json'), text)
  const refuses = async (name: string) => {
    try {
      await readProfile(directory, name)
    } catch (error) {
      return error instanceof ConnectionError && error.code === 'bad-profile'
    }
    return false
  }
  await write(JSON.stringify({ ...profile, name: 'hurt' }))
  t.equal(await refuses('hurt'), false, 'so far it is good')
  await write(JSON.stringify(profile))
  t.ok(await refuses('hurt'), 'a profile of another name')
  const text = fc.oneof(
    fc.json(),
    fc.string({ unit: 'binary' }),
    fc
      .tuple(
        fc.constantFrom('name', 'role', 'namespace', 'key', 'addresses', 'claim', 'hostShare'),
        fc.jsonValue(),
      )
      .filter(([key, value]) => typeof value !== 'string' && !(key === 'addresses' && Array.isArray(value)))
      .map(([key, value]) => JSON.stringify({ ...profile, name: 'hurt', [key]: value })),
    fc.nat(800).map(at => JSON.stringify({ ...profile, name: 'hurt' }).slice(0, at)),
  )
  await fc.assert(
    fc.asyncProperty(text, async text => {
      await write(text)
      return refuses('hurt')
    }),
    { numRuns: 150 },
  )
  for (const name of [
    'nobody',
    '',
    '..',
    '../owner',
    '/etc/passwd',
    'owner.json',
    'OWNER',
    'a\0b',
    'x'.repeat(5000),
  ])
    t.ok(await refuses(name), JSON.stringify(name.slice(0, 20)))
  await mkdir(join(directory, 'folder.json'))
  t.ok(await refuses('folder'))
  await symlink('loop.json', join(directory, 'loop.json'))
  t.ok(await refuses('loop'))
  t.same(await listProfiles(join(directory, 'none')), [])
  const nowhere: Profile = { ...profile, device: 'AAAA' }
  await t.rejects(connectProfile(nowhere), { code: 'bad-profile' })
})

t.test('Whatever answers instead of a problem document, then it becomes an error with a code', async t => {
  const read = (status: number, body: string) => {
    const error = readProblem(status, body)
    return (error instanceof ApplianceError || error instanceof ConnectionError) && isErrorCode(error.code)
  }
  fc.assert(fc.property(fc.nat(999), fc.oneof(fc.json(), fc.string({ unit: 'binary' })), read))
  fc.assert(
    fc.property(fc.record({ code: hostile, detail: hostile, hint: hostile, state: hostile }), problem => {
      const error = readProblem(400, JSON.stringify(problem))
      return typeof error.message === 'string' && isErrorCode(error.code)
    }),
  )
  for (const code of ['toString', '__proto__', 'constructor', '', null, 7])
    t.equal(readProblem(400, JSON.stringify({ code })).code, 'bad-response')
  t.match(readProblem(412, '{"code":"wrong-state","state":"locked","detail":7}'), {
    code: 'wrong-state',
    state: 'locked',
  })
})

t.test('When a device answers 200 with something else than an answer, then the client says so', async t => {
  const { key, certificate: cert, pin } = await loadDeviceIdentity(t.testdir())
  let answer: (end: (text: string) => void) => void = () => {}
  const server = createServer((_request, response) => answer(text => response.end(text)))
  const wire: Wire = {
    address: 'memory:',
    close: async () => {},
    open: async () => {
      const [ours, theirs] = memoryCable()
      const socket = new TLSSocket(theirs, {
        isServer: true,
        requestCert: true,
        rejectUnauthorized: false,
        key,
        cert,
      })
      socket.on('error', () => {})
      server.emit('connection', socket)
      return ours
    },
  }
  const client = new Appliance(wire, profile, pinned(pin), { retryFor: 0 })
  t.teardown(() => client.close())
  const bodies = ['', 'null', '1', '"text"', '[]', '[{}]', '{', '<html></html>', '\0']
  for (const body of bodies) {
    answer = end => end(body)
    await t.rejects(client.status(), { code: 'bad-response' }, JSON.stringify(body))
    await t.rejects(
      provision({ ...profile, addresses: ['memory:'] }, 'the passphrase', {
        open: async () => wire,
        patience: { retryFor: 0 },
      }),
      {
        code: 'bad-response',
      },
    )
  }
  for (const body of ['{}', '{"claim":7}', '{"claim":null}', '{"claim":"AAAA"}', '{"claim":{"length":43}}']) {
    answer = end => end(body)
    await t.rejects(
      provision({ ...profile, addresses: ['memory:'] }, 'the passphrase', {
        open: async () => wire,
        patience: { retryFor: 0 },
      }),
      {
        code: 'device-mismatch',
      },
      `no proof: ${body}`,
    )
  }
})
