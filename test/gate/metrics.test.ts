/** `GET /metrics` in the text exposition format that Prometheus reads, and the numbers in it. */
import t from 'tap'
import { exposition } from '../../appliance/gate/metrics.ts'
import type { Health } from '../../protocol/api/schemas.ts'
import { HEALTH, startInProcess } from '../support/in-process.ts'

const SAMPLE =
  /^claviger_[a-z_]+(?:\{[a-z]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z]+="(?:[^"\\\n]|\\["\\n])*")*\})? -?[0-9.]+(?:e-?[0-9]+)?$/

const EMPTY: Health = { ...HEALTH, link: null, decisions: {}, budgets: [], log: null, alarms: [] }

/** Samples by name and labels; throws for a line that Prometheus could not read. */
function samples(text: string): Map<string, number> {
  const found = new Map<string, number>()
  const typed = new Set<string>()
  for (const line of text.trimEnd().split('\n')) {
    const [, type] = /^# TYPE (\S+) (?:counter|gauge)$/.exec(line) ?? []
    if (type) typed.add(type)
    if (line.startsWith('#')) continue
    if (!SAMPLE.test(line)) throw new Error(`this is no sample: ${line}`)
    const at = line.lastIndexOf(' ')
    const name = line.slice(0, at)
    if (!typed.has(name.split('{')[0]!)) throw new Error(`${name} has no type`)
    if (found.has(name)) throw new Error(`${name} is there twice`)
    found.set(name, Number(line.slice(at + 1)))
  }
  return found
}

t.test('When something was decided, then its counters, budgets and log are there', async t => {
  const device = await startInProcess()
  t.teardown(device.stop)
  const admin = await device.appliance.connect(device.appliance.admin)
  await admin.createKey('orders')
  const till = await device.appliance.connect(await device.appliance.enrol('till-1', 'operator'))
  const grant = { agent: 'till-1', key: 'orders', fields: ['*'], purposes: ['ship'], hours: null }
  const budgets = [{ per: 'day' as const, records: 7, operations: null, alarm: false }]
  await admin.addGrant({ ...grant, reveal: ['full'], budgets })
  const context = { field: 'f', record: 'r' }
  await till.decrypt({ purpose: 'ship', items: [{ ciphertext: 'no token', context }] })
  const found = samples(await admin.metrics())
  t.equal(found.get('claviger_decisions_total{outcome="bad-token"}'), 1)
  t.equal(found.get('claviger_budget_left_records{agent="till-1",purpose="ship",per="day"}'), 7)
  t.equal(found.get('claviger_log_entries'), (await admin.health()).log!.size)
  t.equal(found.get('claviger_cpu_load_ratio'), 0.005)
  t.notOk(
    [...found.keys()].some(name => name.includes('temperature')),
    'what is unknown is left out',
  )
})

t.test('When labels have quotes, backslashes and new lines, then they are escaped', async t => {
  const found = samples(exposition({ ...EMPTY, decisions: { 'a"b\\c\nd': 2 } }))
  t.equal(found.get('claviger_decisions_total{outcome="a\\"b\\\\c\\nd"}'), 2)
})

t.test('When the device is hot, then that is an alarm', async t => {
  const device = await startInProcess()
  t.teardown(device.stop)
  const admin = await device.appliance.connect(device.appliance.admin)
  t.same((await admin.health()).alarms, [])
  device.health = { ...HEALTH, cpu: { ...HEALTH.cpu, temperature: 81.5 } }
  t.match(await admin.health(), { alarms: [{ what: 'temperature', why: '81.5 °C' }] })
  t.equal(samples(await admin.metrics()).get('claviger_alarms{what="temperature"}'), 1)
})
