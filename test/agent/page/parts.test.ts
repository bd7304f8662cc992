/** The page's parsers: what comes from the kernel, from files and from browsers is read as it is or refused, whatever it is. */
import fc from 'fast-check'
import t from 'tap'
import { parseBrowsers } from '../../../host-agent/agent/page/browsers.ts'
import { CALLS } from '../../../host-agent/agent/page/calls.ts'
import { frameDocument, refusedFrame } from '../../../host-agent/agent/page/documents.ts'
import { strangersOf } from '../../../host-agent/agent/page/enrolments.ts'
import { leadImports, toJavaScript } from '../../../host-agent/agent/page/files.ts'
import { ownerOf } from '../../../host-agent/agent/page/peer.ts'
import { PageRefusal, problemOf } from '../../../host-agent/agent/page/problem.ts'
import { gatherPurposes } from '../../../host-agent/agent/page/purposes.ts'
import { ConnectionError } from '../../../host-agent/client/errors.ts'

const HEAD =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n'
const CLIENT = { address: '127.0.0.1', port: 40_000 }
const SERVER = { address: '127.0.0.1', port: 7119 }

t.test(
  'When the kernel lists connections, then the owner is that of the very one, while it is established',
  t => {
    const row = (local: string, remote: string, state = '01', uid = '1000') =>
      `   0: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000  ${uid}        0 4711 1 0000 20 4 30 10 -1\n`
    const ours = ['0100007F:9C40', '0100007F:1BCF'] as const
    t.equal(ownerOf(HEAD + row(...ours), CLIENT, SERVER), 1000)
    t.equal(ownerOf(HEAD + row(ours[1], ours[0]), CLIENT, SERVER), null, "the agent's own end")
    t.equal(
      ownerOf(HEAD + row(...ours, '06', '0'), CLIENT, SERVER),
      null,
      'one that nobody holds is told as of root',
    )
    t.equal(ownerOf(HEAD + row(ours[0], '0200007F:1BCF'), CLIENT, SERVER), null)
    const mapped = ours.map(end => `0000000000000000FFFF0000${end}`) as [string, string]
    t.equal(ownerOf(HEAD + row(...mapped), CLIENT, SERVER), 1000, 'a socket of the other family')
    fc.assert(
      fc.property(
        fc.string(),
        fc.nat(0xffff),
        (table, port) => ownerOf(table, { ...CLIENT, port }, SERVER) === null,
      ),
    )
    t.end()
  },
)

t.test('When a browser sends anything, then every call takes it as it is or refuses it', t => {
  const names = [
    'as',
    'secret',
    'purpose',
    'items',
    'table',
    'keys',
    'code',
    'id',
    'allow',
    'stock',
    'skip',
    'reveal',
    'from',
  ]
  const value = fc.oneof(
    fc.jsonValue(),
    fc.dictionary(fc.constantFrom(...names, '__proto__', 'more'), fc.jsonValue({ maxDepth: 3 })),
  )
  for (const { read } of Object.values(CALLS))
    fc.assert(
      fc.property(value, sent => {
        try {
          const taken = read(sent) as object | null
          if (taken !== null) t.match(sent, taken)
          return true
        } catch (error) {
          return error instanceof PageRefusal && error.code === 'malformed-request'
        }
      }),
      { numRuns: 150 },
    )
  const good = {
    as: 'desk',
    purpose: 'charge',
    items: [{ ciphertext: 'x', context: { field: 'f', record: 'r' } }],
  }
  t.strictSame(CALLS.reveal.read(good), good)
  for (const change of [
    { as: '../x' },
    { reveal: 'forward' },
    { reason: '\ud800' },
    { items: [] },
    { more: 1 },
  ])
    t.throws(() => CALLS.reveal.read({ ...good, ...change }), { code: 'malformed-request' })
  t.end()
})

t.test('When the list of browsers is anything, then it is taken whole or not at all', t => {
  const kept = {
    id: 'a',
    kind: 'page',
    from: null,
    since: '2026-01-01T00:00:00Z',
    seen: '2026-01-01T00:00:00Z',
    hash: 'A'.repeat(43),
  }
  t.strictSame(parseBrowsers(JSON.stringify([kept])), [kept])
  for (const change of [{ hash: 'A' }, { kind: 'frame' }, { from: 'x' }, { seen: 'never' }, { id: 7 }])
    t.equal(parseBrowsers(JSON.stringify([kept, { ...kept, ...change }])), null)
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), text => {
      const read = parseBrowsers(text)
      return read === null || read.length === 0
    }),
  )
  t.end()
})

t.test(
  'When a file is served, then its types are gone, and only what is on the list is led anywhere',
  async t => {
    const source =
      "import type { A } from './a.ts'\nimport { html, type B } from 'lit-html'\nconst x: A = await import('uplot')\n"
    const served = await toJavaScript(source)
    t.match(
      served,
      /import \{html, +\} from '\/vendor\/lit-html\/lit-html\.js'|import \{ html, +\} from '\/vendor\/lit-html\/lit-html\.js'/,
    )
    t.match(served, /import\('\/vendor\/uplot\/uPlot\.esm\.js'\)/)
    t.notMatch(served, /a\.ts|: A/)
    for (const name of ['fastify', 'lit-html/../fastify', 'node:fs', './store.ts', 'lit-html/package.json'])
      t.equal(leadImports(`import '${name}'`), `import '${name}'`)
  },
)

t.test('When a document is made for a frame, then a text of others in it stays a text', t => {
  t.match(
    frameDocument('<meta name="claviger-nonce" content="">', 'abc'),
    '<meta name="claviger-nonce" content="abc">',
  )
  t.throws(() => frameDocument('<p>', 'abc'), /no meta element/)
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('<', '>', '"', "'", '&', 'a') }), from => {
      const shown = /pages of (.*)\. Who/s.exec(refusedFrame(from, false))![1]!
      return !/[<>"']/.test(shown)
    }),
  )
  t.end()
})

t.test('When grants are gathered, then by purpose, and those for rewrapping alone open nothing', t => {
  const grant = (purposes: string[], fields: string[], reveal: string[]) =>
    ({ purposes, fields, reveal }) as never
  const grants = [
    grant(['ship', 'charge'], ['card.*'], ['last4']),
    grant(['ship'], ['address.*', 'card.*'], ['full', 'rewrap']),
    grant(['move'], ['*'], ['rewrap']),
  ]
  const budgets = [{ purpose: 'ship', per: 'day' as const, records: 3, operations: null }]
  t.strictSame(gatherPurposes({ grants, budgets }), [
    { name: 'charge', fields: ['card.*'], reveal: ['last4'], budgets: [] },
    {
      name: 'ship',
      fields: ['card.*', 'address.*'],
      reveal: ['full', 'last4'],
      budgets: [{ per: 'day', records: 3, operations: null }],
    },
  ])
  t.end()
})

t.test('When a port holds what nobody is enrolled with, or a liar, then it is told of as a stranger', t => {
  const device = {
    path: '/dev/ttyACM0',
    serial: 'a',
    state: 'locked',
    enrolments: [],
    proved: null,
    greeting: '1:2',
  }
  const liar = { ...device, path: '/dev/ttyACM1', proved: false, problem: 'it is another', hint: 'pull it' }
  const announced = { ...device, path: 'https://192.0.2.1:8443', serial: 'b' }
  t.strictSame(strangersOf([device, liar, announced], [{ serial: 'a' }]), [
    { path: '/dev/ttyACM1', serial: 'a', problem: 'it is another', hint: 'pull it' },
  ])
  t.strictSame(strangersOf([device], []), [{ path: '/dev/ttyACM0', serial: 'a' }])
  t.end()
})

t.test('When something fails that nobody foresaw, then its message stays with the agent', t => {
  t.strictSame(problemOf(new Error('4242424242424242')), {
    status: 500,
    problem: { code: 'internal', message: 'the agent failed', hint: 'its own lines say more' },
  })
  t.match(problemOf(new ConnectionError('unreachable', 'gone', { hint: 'plug it in' })), {
    status: 503,
    problem: { code: 'unreachable', hint: 'plug it in' },
  })
  t.match(problemOf(new ConnectionError('over-budget', 'no', { free: 1_000_000 })), {
    status: 429,
    problem: { free: '1970-01-12T13:46:40.000Z' },
  })
  t.end()
})
