/** Light and button of the three real processes, over files that stand in for those of the kernel. */
import { spawnSync } from 'node:child_process'
import { constants, type FileHandle, mkdir, open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { LONG_MS } from '../../appliance/keeper/panel/button.ts'
import { formatEvent } from '../../appliance/keeper/panel/input-event.ts'
import { type Flash, type Light, PATTERNS } from '../../appliance/keeper/panel/light.ts'
import { writeProfile } from '../../host-agent/client/profile.ts'
import { sealer } from '../../host-agent/seal/seal.ts'
import { runner } from '../cli/run.ts'
import { flashCard, PASSPHRASE, startProcesses, temporaryDirectory, WIDE } from '../support/appliance.ts'

const KEY_PROG1 = 148
const FIELD = 'card.number'
const VALUE = '4242424242424242'

interface StandIn {
  path: string
  led: string
  button: string
  /** Resolves when the light says this. */
  says(light: Light): Promise<void>
  /** Holds the button for so long, ms. */
  press(held: number): Promise<void>
}

/** A light whose files stay what was written, and a named pipe in the place of an input device. */
async function panel(t: Test): Promise<StandIn> {
  const { path, remove } = await temporaryDirectory()
  t.teardown(remove)
  const led = join(path, 'led')
  await mkdir(led)
  for (const name of ['trigger', 'brightness', 'delay_on', 'delay_off', 'pattern'])
    await writeFile(join(led, name), '')
  await writeFile(join(led, 'max_brightness'), '255\n')
  const button = join(path, 'button')
  if (spawnSync('mkfifo', [button]).status !== 0) throw new Error('there is no mkfifo here')
  const pipe: FileHandle = await open(button, constants.O_RDWR | constants.O_NONBLOCK)
  t.teardown(() => pipe.close())
  const read = async (name: string) => (await readFile(join(led, name), 'latin1')).trim()
  const shown = async () => {
    const trigger = await read('trigger')
    if (trigger === 'pattern') return `pattern ${await read('pattern')}`
    return trigger === 'timer'
      ? `timer ${await read('delay_on')} ${await read('delay_off')}`
      : `none ${await read('brightness')}`
  }
  return {
    path,
    led,
    button,
    says: async light => {
      const wanted = filesOf(PATTERNS[light])
      const deadline = Date.now() + 20_000
      while ((await shown()) !== wanted) {
        if (Date.now() > deadline) throw new Error(`the light says ${await shown()}, not ${light}`)
        await sleep(20)
      }
    },
    press: async held => {
      await pipe.write(formatEvent(KEY_PROG1, true, Date.now()))
      await sleep(held)
      await pipe.write(formatEvent(KEY_PROG1, false, Date.now()))
    },
  }
}

function filesOf(pattern: readonly Flash[]): string {
  const [[on, off]] = pattern as [Flash]
  if (pattern.length > 1)
    return `pattern ${pattern.map(([on, off]) => `255 ${on} 255 0 0 ${off} 0 0`).join(' ')}`
  if (on > 0 && off > 0) return `timer ${on} ${off}`
  return `none ${on > 0 ? 255 : 0}`
}

t.test('When a device goes through its life, then its light says so and its button works', async t => {
  const { path, led, button, says, press } = await panel(t)
  const card = await flashCard(path, '')
  const first = await startProcesses(path, { led, button })
  let running = first
  t.teardown(() => running.stop())
  const { appliance } = first

  await says('unprovisioned')
  await appliance.provision(card)
  await says('operational')
  const admin = await appliance.connect(appliance.admin)
  await admin.lock()
  await says('locked')
  await admin.unlock({ passphrase: PASSPHRASE })
  await says('operational')

  const seal = sealer((await admin.createKey('orders')).versions[0]!.publicKey)
  const profile = await appliance.enrol('till-1', 'operator')
  await admin.addGrant({ ...WIDE, agent: 'till-1', key: 'orders', presence: 'touch' })
  const token = seal({ field: FIELD, record: 'cards/1' }, VALUE)
  const home = join(path, 'home')
  await writeProfile(home, profile)
  const till = runner(home)

  await t.test('and a press confirms a request, of whose wait its user is told', async t => {
    const command = ['open', '--purpose', 'charge', '--field', FIELD, '--record', 'cards/1', token]
    const opened = till(command)
    await says('touch')
    // Long enough to be told, and no long press.
    await sleep(2500)
    await press(150)
    t.match(await opened, { status: 0, stdout: `${VALUE}\n`, stderr: /press the button on the key\n/ })
    await says('operational')
  })

  await t.test('and a long press is lockdown, with its entry', async t => {
    const pressed = press(LONG_MS + 500)
    await says('lockdown')
    await pressed
    t.equal((await admin.status()).state, 'lockdown')
    const { entries } = await admin.auditEntries({ from: 0, limit: 100 })
    const entry = entries.map(line => JSON.parse(line)).find(({ action }) => action === 'lockdown')
    t.match(entry, { agent: 'button', role: '', outcome: 'allowed', reason: /button of the device was held/ })
    t.match((await admin.health()).alarms[0], { what: 'lockdown' })
  })

  await appliance.close()
  await first.stop()
  await says('off')
  running = await startProcesses(path, { led, button })
  await says('lockdown')

  await t.test('and a keystore that cannot be read is a fault', async () => {
    await running.stop()
    await writeFile(join(path, 'keystore', 'default'), 'no keystore')
    running = await startProcesses(path, { led, button })
    await says('fault')
  })
})
