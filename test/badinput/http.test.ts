/** What is no request, on every route, through TLS: one documented code each, and the appliance goes on. */
import fc from 'fast-check'
import t from 'tap'
import { ERRORS, isErrorCode } from '../../protocol/api/errors.ts'
import { ROUTES, type RouteName } from '../../protocol/api/routes.ts'
import { SCHEMAS } from '../../protocol/api/schemas.ts'
import { PASSPHRASE } from '../support/appliance.ts'
import { ask, codeOf, exchangeBytes, type RawAnswer, type RawRequest, secure } from '../support/http.ts'
import { startInProcess } from '../support/in-process.ts'
import { BODIES, ITEM, PATIENT } from '../support/requests.ts'

const device = await startInProcess()
t.teardown(device.stop)
const { appliance, cable } = device
const admin = await appliance.connect(appliance.admin)
await admin.createKey('orders')
const operator = await appliance.enrol('till-1', 'operator', ['orders'])
// What is refused again and again would have to wait.
await admin.changeSettings(PATIENT)

/** Routes that take a body, and who may send it. `lock` would lock with any. */
const TARGETS = (Object.keys(ROUTES) as RouteName[])
  .filter(name => SCHEMAS[name].body)
  .map(name => ({
    name,
    who: (ROUTES[name].roles as readonly string[]).includes('administrator') ? appliance.admin : operator,
    path: ROUTES[name].path.replace(':key', 'orders'),
  }))
/** Refused before anybody looks at the body: the administrator is not the one who may, or not now. */
const UNREAD: readonly RouteName[] = ['provision', 'unlock', 'liftLockdown', 'enrol']

t.same(Object.keys(BODIES).sort(), TARGETS.map(({ name }) => name).sort(), 'each route has a body')

/** Why an answer is not one that the documents allow; empty where it is. */
function fault(answer: RawAnswer): string {
  const { status, headers, text } = answer
  if (status === 200)
    return headers['content-type']?.startsWith('application/json') ? '' : 'a 200 without JSON'
  const code = codeOf(answer)
  if (!isErrorCode(code)) return code
  if (code === 'internal' || code === 'rpc-malformed' || status >= 500) return text
  return ERRORS[code].status === status ? '' : `${status} for ${code}`
}

/** From a lockdown that somebody was allowed to ask for. */
async function recover(): Promise<void> {
  await admin.liftLockdown(PASSPHRASE)
  await admin.unlock({ passphrase: PASSPHRASE })
}

/** One connection for each caller, made again when the device has ended it. */
const connections = new Map<unknown, Awaited<ReturnType<typeof secure>>>()
async function send(who: typeof operator, request: RawRequest): Promise<RawAnswer> {
  let socket = connections.get(who)
  if (!socket || socket.destroyed || !socket.writable) {
    socket = await secure(cable(), who)
    connections.set(who, socket)
  }
  try {
    return await ask(socket, request)
  } finally {
    // A body that was too large ends the connection after its answer.
    if (request.headers?.connection === 'close') socket.destroy()
  }
}
t.teardown(() => {
  for (const socket of connections.values()) socket.destroy()
})

const post = (body: string | Buffer, headers: Record<string, string> = {}): RawRequest => ({
  method: 'POST',
  body,
  headers: { connection: 'close', ...headers },
})

async function everywhere(body: string | Buffer, headers?: Record<string, string>): Promise<string[]> {
  const faults: string[] = []
  for (const { name, who, path } of TARGETS) {
    const answer = await send(who, { ...post(body, headers), path })
    const wrong = answer.status === 200 ? `accepted by ${name}` : fault(answer)
    if (wrong) faults.push(`${name}: ${wrong}`)
  }
  return faults
}

const MIB = 1_048_576
const bad: [name: string, body: string | Buffer, headers?: Record<string, string>][] = [
  ['no JSON', 'hello'],
  ['nothing', ''],
  ['null', 'null'],
  ['a number', '1e999'],
  ['an array', '[]'],
  ['half of it', '{"purpose":"ship","items":[{"ciphertext":'],
  ['1 MiB of [', '['.repeat(MIB)],
  ['arrays 500,000 deep', '['.repeat(500_000) + ']'.repeat(500_000)],
  ['objects 100,000 deep', `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`],
  ['one string of 1 MiB', JSON.stringify('x'.repeat(MIB - 2))],
  ['more than 1 MiB', '['.repeat(MIB + 1)],
  ['invalid UTF-8', Buffer.from([0x7b, 0xff, 0xfe, 0x22, 0x7d])],
  ['UTF-16', Buffer.from('{"name":"again","suite":"x"}', 'utf16le')],
  ['a BOM alone', '\ufeff'],
  ['__proto__', '{"__proto__":{"name":"again","suite":"x"}}'],
  ['constructor.prototype', '{"constructor":{"prototype":{"role":"administrator"}}}'],
  ['comments', '{"name":"again",/* */"suite":"x"}'],
  ['NaN', '{"validFor":NaN}'],
  [
    '100,000 properties',
    JSON.stringify(Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`k${i}`, i]))),
  ],
  ['a form', 'name=again&suite=x', { 'content-type': 'application/x-www-form-urlencoded' }],
  ['text', '{"name":"again","suite":"x"}', { 'content-type': 'text/plain' }],
  ['XML', '<a/>', { 'content-type': 'application/xml' }],
  ['a content type that is none', '{}x', { 'content-type': ';;;' }],
  ['a compressed body', '{}', { 'content-encoding': 'gzip', 'content-type': 'application/gzip' }],
]

t.test('When a body is not what the route takes, then each route has one answer to that', async t => {
  for (const [name, body, headers] of bad) t.same(await everywhere(body, headers), [], name)
})

t.test('When one property is wrong, too many, or missing, then it is a malformed request', async t => {
  const others = new Set<string>()
  const values = [
    null,
    true,
    -1,
    1.5,
    1e300,
    2 ** 53,
    '',
    'UPPER',
    '../..',
    'x'.repeat(5000),
    '\ud800',
    '😀'.repeat(250),
    [],
    {},
    [[]],
    [null],
  ]
  for (const { name, who, path } of TARGETS) {
    if (UNREAD.includes(name)) continue
    const valid = BODIES[name] as Record<string, unknown>
    const variants: object[] = [
      { ...valid, extra: 1 },
      { ...valid, toString: 1 },
    ]
    for (const key of Object.keys(valid)) {
      variants.push(...values.map(value => ({ ...valid, [key]: value })))
      variants.push({ ...valid, [key]: undefined })
    }
    if (name === 'decrypt' || name === 'rewrap')
      for (const value of values)
        variants.push(
          { ...valid, items: [{ ...ITEM, ciphertext: value }] },
          { ...valid, items: [{ ...ITEM, context: value }] },
          { ...valid, items: [{ ...ITEM, context: { ...ITEM.context, record: value } }] },
          { ...valid, items: [{ ...ITEM, reveal: value }] },
          { ...valid, items: [ITEM, value] },
        )
    const faults: string[] = []
    for (const variant of variants) {
      const answer = await send(who, {
        method: 'POST',
        path,
        body: JSON.stringify(variant),
      })
      if (name === 'lockdown' && answer.status === 200) await recover()
      const wrong = fault(answer)
      if (wrong) faults.push(`${JSON.stringify(variant).slice(0, 100)}: ${wrong}`)
      if (answer.status === 400 && codeOf(answer) === 'malformed-request') continue
      if (answer.status !== 200) others.add(`${name}: ${codeOf(answer)}`)
    }
    t.same(faults, [], name)
  }
  t.same(
    [...others].sort(),
    [
      ...[
        'addRecipient: bad-recipient',
        'auditArchive: bad-checkpoint',
        'derive: bad-key',
        'importKey: bad-key',
        'importKey: open-failed',
      ],
      'makeCanary: bad-context',
    ],
    'what has the right shape and is wrong all the same has its own code',
  )
})

t.test('When bodies are random, then no answer is a failure of the device', async t => {
  const anything = fc.oneof(
    fc.json({ maxDepth: 5 }),
    fc.string({ unit: 'binary' }),
    fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(bytes)),
    fc
      .constantFrom(...TARGETS)
      .chain(({ name }) => fc.nat(200).map(at => JSON.stringify(BODIES[name]).slice(0, at))),
    fc
      .constantFrom(...TARGETS)
      .chain(({ name }) =>
        fc
          .tuple(fc.constantFrom(...Object.keys(BODIES[name]!), 'pin', 'hostShare', 'extra'), fc.jsonValue())
          .map(([key, value]) => JSON.stringify({ ...BODIES[name], [key]: value })),
      ),
  )
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...TARGETS), anything, async ({ name, who, path }, body) => {
      const answer = await send(who, { method: 'POST', path, body })
      if (name === 'lockdown' && answer.status === 200) await recover()
      const wrong = fault(answer)
      if (wrong) throw new Error(wrong)
    }),
    { numRuns: 400 },
  )
  t.equal((await admin.status()).state, 'operational')
})

t.test('When a path or a method is none of ours, then the answer is a problem document', async t => {
  const paths = [
    '/',
    '/v1',
    '/v1/',
    '/v2/status',
    '/V1/STATUS',
    '//v1/status',
    '/v1/keys/%',
    '/v1/keys/%zz',
    '/v1/keys/%ff',
    '/v1/keys/..%2f..%2fetc',
    '/v1/keys/UPPER',
    '/v1/keys/__proto__',
    `/v1/keys/${'x'.repeat(33)}`,
    `/v1/keys/${'x'.repeat(5000)}`,
    `/${'a/'.repeat(3000)}`,
    '/v1/keys/a/b/c',
    '*',
  ]
  for (const path of paths) {
    const answer = await send(appliance.admin, { path })
    t.equal(fault(answer), '', path)
    t.match(answer.status, /^40[04]$/, path)
  }
  for (const method of ['PUT', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY', 'DELETE']) {
    const answer = await send(appliance.admin, { method, path: '/v1/status' })
    t.equal(fault(answer), '', method)
    t.match(answer.status, /^40[04]$/, method)
  }
  t.equal((await send(appliance.admin, { method: 'HEAD', path: '/v1/status' })).status, 404, 'HEAD')
})

t.test('When what comes through TLS is no HTTP, then it is refused or dropped, and others go on', async t => {
  const refused = async (bytes: string | Buffer, label: string) => {
    const heard = await exchangeBytes(await secure(cable(), appliance.admin), bytes)
    const found = /^HTTP\/1\.1 (\d{3}) .*?\r\n\r\n(.*)$/s.exec(heard)
    if (heard === '') return
    const status = Number(found?.[1])
    let code: unknown
    try {
      code = (JSON.parse(found?.[2] ?? '') as { code?: unknown }).code
    } catch {
      code = heard
    }
    if (!(status >= 400 && status < 500) || !isErrorCode(code)) throw new Error(`${label}: ${heard}`)
  }
  const request = (...lines: string[]) => `${lines.join('\r\n')}\r\n\r\n`
  const cases: Record<string, string | Buffer> = {
    nothing: '',
    'a line': 'hello\r\n\r\n',
    'HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'a bad version': request('GET /v1/status HTTP/9.9', 'host: x'),
    'a header without a name': request('GET /v1/keys/none HTTP/1.1', 'host: x', ': x'),
    'a header of 100 KB': request('GET /v1/status HTTP/1.1', 'host: x', `x: ${'y'.repeat(100_000)}`),
    '5,000 headers': request('GET /v1/status HTTP/1.1', 'host: x', ...Array(5000).fill('x: y')),
    'two lengths': `${request('POST /v1/keys HTTP/1.1', 'host: x', 'content-length: 2', 'content-length: 3')}{}x`,
    'a length and chunks': `${request('POST /v1/keys HTTP/1.1', 'host: x', 'content-length: 2', 'transfer-encoding: chunked')}0\r\n\r\n`,
    'a negative length': request('POST /v1/keys HTTP/1.1', 'host: x', 'content-length: -1'),
    'an endless length': `${request('POST /v1/keys HTTP/1.1', 'host: x', `content-length: ${'9'.repeat(400)}`)}{}`,
    'a bad chunk': `${request('POST /v1/keys HTTP/1.1', 'host: x', 'content-type: application/json', 'transfer-encoding: chunked')}zz\r\n`,
    'half a body': `${request('POST /v1/keys HTTP/1.1', 'host: x', 'content-type: application/json', 'content-length: 100')}{"name"`,
    'a NUL in the path': request('GET /v1/\0 HTTP/1.1', 'host: x'),
    'a whole URL of another host': request('GET https://elsewhere/v1/nothing HTTP/1.1', 'host: x'),
    connect: request('CONNECT elsewhere:443 HTTP/1.1', 'host: x'),
    upgrade: request('GET /v1/nothing HTTP/1.1', 'host: x', 'connection: upgrade', 'upgrade: websocket'),
  }
  // RFC 9112 §3.2: Node answers this one itself, without a body.
  const hostless = await exchangeBytes(
    await secure(cable(), appliance.admin),
    request('GET /v1/status HTTP/1.1'),
  )
  t.match(hostless, /^HTTP\/1\.1 400 /)
  for (const [name, bytes] of Object.entries(cases)) await t.resolves(refused(bytes, name), name)
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 2000 }), async bytes =>
      refused(Buffer.from(bytes), 'random bytes'),
    ),
    { numRuns: 60 },
  )
  t.equal((await admin.status()).state, 'operational')
})
