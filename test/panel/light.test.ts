/** The light: which state it shows, and how that gets into the files of the kernel, or of what stands in for them. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { Led } from '../../appliance/keeper/panel/led.ts'
import { type Flash, LIGHTS, lightOf, PATTERNS, type Standing } from '../../appliance/keeper/panel/light.ts'
import { STATES } from '../../protocol/api/routes.ts'
import { temporaryDirectory } from '../support/appliance.ts'
import { FakeTimers } from './timers.ts'

const standing = (state: Standing['state'], isDamaged = false): Standing => ({ state, isDamaged })

t.test('When there is one namespace, then the light says its state', async t => {
  t.equal(lightOf([standing('unprovisioned')], 0), 'unprovisioned')
  t.equal(lightOf([standing('locked')], 0), 'locked')
  t.equal(lightOf([standing('operational')], 0), 'operational')
  t.equal(lightOf([standing('lockdown')], 0), 'lockdown')
  t.equal(lightOf([standing('failed')], 0), 'fault')
  t.equal(lightOf([standing('operational', true)], 0), 'fault', 'a damaged log')
  t.equal(lightOf([standing('operational')], 1), 'touch')
  t.equal(lightOf([], 0), 'off')
})

t.test('When there are several, then it says the most urgent, in whatever order they are', async t => {
  t.equal(lightOf([standing('operational'), standing('locked')], 0), 'locked')
  t.equal(lightOf([standing('lockdown'), standing('operational')], 3), 'lockdown', 'no touch hides it')
  t.equal(lightOf([standing('failed'), standing('operational')], 3), 'fault')
  const some = fc.array(fc.record({ state: fc.constantFrom(...STATES), isDamaged: fc.boolean() }), {
    minLength: 1,
  })
  fc.assert(
    fc.property(some, fc.nat(2), (namespaces, touches) => {
      const light = lightOf(namespaces, touches)
      t.equal(lightOf(namespaces.toReversed(), touches), light)
      if (namespaces.some(({ state }) => state === 'lockdown')) t.equal(light, 'lockdown')
      if (light === 'operational')
        t.ok(touches === 0 && namespaces.every(({ state, isDamaged }) => state === light && !isDamaged))
    }),
  )
})

t.test('When a pattern is shown, then it is like no other', async t => {
  t.equal(new Set(Object.values(PATTERNS).map(pattern => JSON.stringify(pattern))).size, LIGHTS.length)
  const length = (pattern: readonly Flash[]) => pattern.flat().reduce((sum, ms) => sum + ms, 0)
  for (const pattern of Object.values(PATTERNS)) t.ok(length(pattern) <= 2000, 'within two seconds')
})

interface StandIn {
  path: string
  read(name: string): Promise<string>
}

/** A directory as the kernel's, with the files of its triggers, or without; they stay what was written. */
async function ledDirectory(t: Test, hasTriggers: boolean, brightest = '255'): Promise<StandIn> {
  const { path: parent, remove } = await temporaryDirectory()
  t.teardown(remove)
  const path = join(parent, 'ACT')
  await mkdir(path)
  const files = { brightness: '0', max_brightness: brightest, trigger: '[none] timer pattern' }
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), `${text}\n`)
  for (const name of hasTriggers ? ['delay_on', 'delay_off', 'pattern'] : [])
    await writeFile(join(path, name), '')
  return { path, read: async name => (await readFile(join(path, name), 'utf8')).trim() }
}

t.test('When the kernel can blink, then it is told how', async t => {
  const { path, read } = await ledDirectory(t, true)
  const timers = new FakeTimers()
  const led = new Led(path, timers.functions)
  led.show(PATTERNS.locked)
  t.same([await read('trigger'), await read('delay_on'), await read('delay_off')], ['timer', '100', '1900'])
  t.ok(led.isLasting, 'also when this process ends')
  led.show(PATTERNS.fault)
  t.equal(await read('trigger'), 'pattern')
})

t.test('When it has a pattern, then each step is written with its sharp edge', async t => {
  const { path, read } = await ledDirectory(t, true, '1')
  new Led(path, new FakeTimers().functions).show(PATTERNS.fault)
  t.equal(await read('trigger'), 'pattern')
  t.equal(await read('pattern'), '1 150 1 0 0 150 0 0 1 150 1 0 0 1050 0 0')
})

t.test('When a light is steady, then no trigger has it', async t => {
  const { path, read } = await ledDirectory(t, true)
  const timers = new FakeTimers()
  const led = new Led(path, timers.functions)
  led.show(PATTERNS.operational)
  t.same([await read('trigger'), await read('brightness')], ['none', '255'])
  led.show(PATTERNS.off)
  t.equal(await read('brightness'), '0')
  t.equal(timers.size, 0)
})

t.test('When the kernel cannot, or does not let us, then we blink', async t => {
  const cannot = await ledDirectory(t, false)
  const half = await ledDirectory(t, true)
  for (const name of ['delay_on', 'pattern']) await rm(join(half.path, name))
  const hasNone = await ledDirectory(t, false)
  await rm(join(hasNone.path, 'trigger'))
  for (const { path, read } of [cannot, half, hasNone]) {
    const timers = new FakeTimers()
    const led = new Led(path, timers.functions)
    led.show(PATTERNS.fault)
    const seen: string[] = []
    for (let i = 0; i < 15; i++) {
      seen.push((await read('brightness')) === '255' ? '#' : '.')
      timers.pass(150)
    }
    t.equal(seen.join(''), '#.#.......#.#..')
    t.notOk(led.isLasting)
    led.show(PATTERNS.operational)
    t.equal(timers.size, 0, 'one pattern at a time')
    led.show(PATTERNS.lockdown)
    led.close()
    t.equal(timers.size, 0)
  }
})

t.test(
  'When the light goes away while we blink, then nothing ends; when there is none, it is said',
  async t => {
    const { path } = await ledDirectory(t, false)
    const timers = new FakeTimers()
    const led = new Led(path, timers.functions)
    led.show(PATTERNS.lockdown)
    await rm(path, { recursive: true })
    timers.pass(1000)
    t.throws(() => led.show(PATTERNS.operational), { code: 'ENOENT' })
  },
)
