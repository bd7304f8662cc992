/** What the staff's page decides without a browser: what was pasted, which keys are meant, what a purpose covers, what a frame shows. */
import t from 'tap'
import { covers, uncovered, waysOf } from '../../host-agent/agent/page/web/pure/covers.ts'
import { devicesOf, stateName, unlockers } from '../../host-agent/agent/page/web/pure/devices.ts'
import { readKeys, readRange } from '../../host-agent/agent/page/web/pure/keys.ts'
import { asLine } from '../../host-agent/agent/page/web/pure/line.ts'
import { readContext, readPasted } from '../../host-agent/agent/page/web/pure/pasted.ts'
import { stageOf } from '../../host-agent/agent/page/web/pure/stage.ts'
import { en } from '../../host-agent/agent/page/web/words/en.ts'
import { es } from '../../host-agent/agent/page/web/words/es.ts'
import { isErrorCode } from '../../protocol/api/errors.ts'
import { boss, seen, TOKEN, till } from './fixtures.ts'

const item = { ciphertext: TOKEN, context: { field: 'card.number', record: 'orders/17' } }

t.test('When a token or the JSON of a shop is pasted, then it is read as it was meant', async t => {
  t.same(readPasted(`  ${TOKEN}\n`), { is: 'token', ciphertext: TOKEN })
  t.same(
    readPasted(`${TOKEN.slice(0, 40)}\r\n ${TOKEN.slice(40)}`),
    { is: 'token', ciphertext: TOKEN },
    'broken by a mail',
  )
  const json = JSON.stringify(item)
  t.same(readPasted(json), { is: 'items', items: [item] })
  t.same(readPasted(`[${json},${json}]`), { is: 'items', items: [item, item] })
  t.same(readPasted(`${json}\n${json}\n`), { is: 'items', items: [item, item] }, 'one a line')
  t.same(readPasted(JSON.stringify({ ...item, key: 'old', more: 1 })), {
    is: 'items',
    items: [{ ...item, key: 'old' }],
  })
})

t.test('When something else is pasted, then it is said what is missing', async t => {
  const cases: [string, string][] = [
    ['', 'empty'],
    ['[]', 'empty'],
    ['hello', 'token'],
    ['clv1.s.orders.1', 'token'],
    [JSON.stringify(item).slice(0, -3), 'json'],
    [JSON.stringify({ ciphertext: TOKEN }), 'context'],
    ['{"ciphertext":7,"context":{"field":"a","record":"b"}}', 'token'],
    ['[null]', 'token'],
    [JSON.stringify(Array(101).fill(item)), 'many'],
  ]
  for (const [text, fault] of cases) t.same(readPasted(text), { is: 'fault', fault }, text.slice(0, 40))
  t.same(readContext('card.number orders/17 b'), { field: 'card.number', record: 'orders/17 b' })
  t.same(readContext('note'), { field: 'note', record: '' })
  t.equal(readContext('  '), null)
})

t.test('When keys are typed as people do, then each is meant once', async t => {
  t.same(readKeys('17, 18\n18\r\n\n19;20', 1, 10), { keys: [['17'], ['18'], ['19'], ['20']] })
  t.same(readKeys('nl,17\nde,\t18', 2, 10), { fault: 'columns' })
  t.same(readKeys('nl,17\nde,18', 2, 10), {
    keys: [
      ['nl', '17'],
      ['de', '18'],
    ],
  })
  t.same(readKeys('1,2,3', 1, 2), { fault: 'many' })
  t.same(readKeys(' \n', 1, 2), { fault: 'empty' })
  t.same(readRange('7', '9', 3), { keys: [['7'], ['8'], ['9']] })
  t.same(readRange('7', '10', 3), { fault: 'many' })
  for (const [from, to] of [
    ['9', '7'],
    ['', '7'],
    ['1.5', '3'],
    ['a', 'b'],
  ] as const)
    t.same(readRange(from, to, 9), { fault: 'range' }, `${from} to ${to}`)
})

t.test('When a purpose covers some fields, then the others are named, as the device decides it', async t => {
  t.ok(covers({ fields: ['card.*'] }, 'card.number'))
  t.notOk(covers({ fields: ['card.*'] }, 'card.'), 'the class itself is not below it')
  t.notOk(covers({ fields: ['card.*'] }, 'cards.number'))
  t.ok(covers({ fields: ['*'] }, 'phone'))
  t.same(uncovered({ fields: ['card.*', 'phone'] }, ['card.number', 'iban', 'phone', 'iban']), ['iban'])
  t.same(waysOf({ reveal: ['full', 'equals'] }), ['full', 'last4', 'mask'])
  t.same(waysOf({ reveal: ['mask', 'forward'] }), ['mask'])
})

t.test(
  'When two enrolments are with one shop on one device, then it is one device, unlocked with the PIN first',
  async t => {
    const silent = { ...till, state: null, wire: null }
    const devices = devicesOf([boss, silent, { ...till, namespace: 'books', state: null }])
    t.same(
      devices.map(({ id }) => id),
      ['clv-7h3k-92mq/flowers', 'clv-7h3k-92mq/books'],
    )
    t.equal(stateName(devices[0]!), 'operational')
    t.equal(stateName(devices[1]!), 'silent')
    t.same(
      unlockers(devices[0]!).map(({ name }) => name),
      ['till', 'boss'],
    )
  },
)

t.test(
  'When a frame learns how the device is, then it shows that and nothing of other enrolments',
  async t => {
    t.same(stageOf(null, null), { is: 'gone' })
    t.same(stageOf(seen('operational'), null), { is: 'ready', as: 'till' })
    t.same(stageOf(seen('operational'), 'boss'), { is: 'none' }, 'an administrator reveals nothing')
    t.same(stageOf(seen('locked'), 'till'), { is: 'locked' })
    t.same(stageOf(seen('lockdown'), null), { is: 'lockdown' })
    t.same(stageOf(seen(null), null), { is: 'silent' })
  },
)

t.test('When an address is shown, then as people write one, and nothing else is changed', async t => {
  t.equal(asLine('{"name":"Zoë O’Hara","street":"3 Bank Street"}'), 'Zoë O’Hara, 3 Bank Street')
  for (const value of ['4242424242424242', '{not json', '{"n":1}', '["a"]', '"a"', '', '{"a":{"b":"c"}}'])
    t.equal(asLine(value), value)
})

t.test('When words are looked up, then both languages have a next step for every code', async t => {
  const own = ['unpaired', 'code-refused', 'frame-refused', 'agent-gone']
  t.same(Object.keys(es.errors), Object.keys(en.errors))
  for (const [code, [what, next]] of [...Object.entries(en.errors), ...Object.entries(es.errors)])
    t.ok((isErrorCode(code) || own.includes(code)) && what && next, code)
})
