/** Reading the button's node: nothing waits, what is read late is timed right, and a node that goes away comes back. */
import { appendFile, mkdir, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { LONG_MS, type Press } from '../../appliance/keeper/panel/button.ts'
import { ButtonInput } from '../../appliance/keeper/panel/input.ts'
import { EVENT_BYTES, formatEvent } from '../../appliance/keeper/panel/input-event.ts'
import { temporaryDirectory } from '../support/appliance.ts'

const KEY = 148
const OTHER = 30
/** The wall clock when the others are at 0. */
const SINCE = 1_795_000_000_000

interface Reader {
  path: string
  presses: Press[]
  troubles: string[]
  /** Lets time pass, ms, and looks. */
  pass(ms: number): void
  /** Sets the wall clock so many ms forward or back. */
  setClock(ms: number): void
  /** The key goes down or up now. */
  happens(isDown: boolean, code?: number): Promise<void>
}

/** A reader of a file that grows, whose clock stands until it is told. */
async function reader(t: Test, makeFile = true): Promise<Reader> {
  const { path: directory, remove } = await temporaryDirectory()
  t.teardown(remove)
  const path = join(directory, 'event0')
  if (makeFile) await writeFile(path, '')
  let now = 0
  let set = 0
  const presses: Press[] = []
  const troubles: string[] = []
  const clocks = { up: () => now, wall: () => SINCE + now + set }
  const input = new ButtonInput(path, clocks, {
    onPress: press => presses.push(press),
    onTrouble: error => troubles.push(error.message),
  })
  t.teardown(() => input.close())
  return {
    path,
    presses,
    troubles,
    pass: ms => {
      now += ms
      input.look()
    },
    setClock: ms => {
      set += ms
    },
    happens: (isDown, code = KEY) => appendFile(path, formatEvent(code, isDown, clocks.wall())),
  }
}

t.test('When the button is pressed, then it is seen', async t => {
  const { presses, pass, happens } = await reader(t)
  pass(1000)
  await happens(true)
  pass(100)
  await happens(false)
  pass(100)
  t.same(presses, ['short'])
  await happens(true)
  pass(LONG_MS)
  t.same(presses, ['short', 'long'])
})

t.test('When we look late, then the press is as long as it was', async t => {
  const { path, presses, pass } = await reader(t)
  pass(1000)
  const at = SINCE + 2000
  await appendFile(path, Buffer.concat([formatEvent(KEY, true, at), formatEvent(KEY, false, at + 200)]))
  pass(6000)
  t.same(presses, ['short'])
})

t.test('When the wall clock is set while it is held, then that makes no long press', async t => {
  for (const set of [3_600_000, -3_600_000, 86_400_000 * 365]) {
    const { presses, pass, setClock, happens } = await reader(t)
    pass(1000)
    await happens(true)
    pass(100)
    setClock(set)
    await happens(false)
    pass(100)
    t.same(presses, ['short'])
  }
})

t.test('When several keys are pressed, then the first is followed', async t => {
  const { presses, pass, happens } = await reader(t)
  pass(1000)
  await happens(true)
  pass(100)
  await happens(true, OTHER)
  await happens(false, OTHER)
  pass(100)
  t.same(presses, [], 'it is still held')
  await happens(false)
  pass(100)
  t.same(presses, ['short'])
})

t.test('When events were lost while it was held, then it is no press', async t => {
  const { path, presses, pass, happens } = await reader(t)
  pass(1000)
  await happens(true)
  pass(100)
  const dropped = Buffer.alloc(EVENT_BYTES)
  dropped.writeUInt16LE(3, 18)
  await appendFile(path, dropped)
  pass(2 * LONG_MS)
  t.same(presses, [])
})

t.test('When the node is not there, or goes away, then it is told once and looked for again', async t => {
  const { path, presses, troubles, pass, happens } = await reader(t, false)
  pass(100)
  pass(5000)
  pass(5000)
  t.equal(troubles.length, 1)
  // What can be opened and not read stands for a device that was unplugged.
  await mkdir(path)
  pass(5000)
  t.equal(troubles.length, 2)
  await rmdir(path)
  pass(5000)
  await writeFile(path, '')
  pass(5000)
  await happens(true)
  pass(100)
  await happens(false)
  pass(100)
  t.same(presses, ['short'])
})
