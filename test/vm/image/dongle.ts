/** A dongle: the whole suite over its gadget, its light and its button, and what it is from within. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { readProfile } from '../../../host-agent/client/profile.ts'
import { sealer } from '../../../host-agent/seal/seal.ts'
import { behaviour, CARD, one, PLACE } from '../../behaviour/suite.ts'
import { PASSPHRASE, PIN, TestAppliance, WIDE } from '../../support/appliance.ts'
import { figure } from '../guest/figures.ts'
import { inventory } from './inventory.ts'
import { Device, image } from './site.ts'

/** An emulated device that hangs shall say where. */
const MINUTES = 20
/** Looks at a light, 100 ms apart or more. */
const GLIMPSES = 12
t.setTimeout(MINUTES * 60_000)

const device = await Device.flash(await image('dongle', 'zero2w'), 'desk', 0)
t.teardown(() => device.off())
const machine = device.on()
figure(t, 'dongle-first-boot', await device.ready(), 's')
await device.provision()
const appliance = new TestAppliance([device.address])
t.teardown(() => appliance.close())
appliance.admin = await readProfile(device.directory, 'owner')

await t.test('its inventory', t => inventory(t, device, 'dongle'))
await t.test('its light and button', async t => {
  const admin = await appliance.connect(appliance.admin)
  const key = await admin.createKey('safe')
  const profile = await appliance.enrol('button-1', 'operator', [], PIN)
  await admin.addGrant({ ...WIDE, agent: 'button-1', key: 'safe', presence: 'touch' })
  const desk = await appliance.connect(profile)
  const body = one(sealer(key.versions[0]!.publicKey)(PLACE, CARD))
  const glimpses = async () => {
    const seen = new Set<string>()
    for (let i = 0; i < GLIMPSES; i++) {
      seen.add(await machine.ask('cat /sys/class/leds/*/brightness | head -n 1'))
      await sleep(100)
    }
    return [...seen].sort().join()
  }
  /** What it shows: `1` steady, `0,1` blinking. An emulated keeper may take seconds to come to it. */
  const light = async (wanted: string) => {
    for (let i = 0; i < 5; i++) if ((await glimpses()) === wanted) return wanted
    return glimpses()
  }
  t.equal(await light('1'), '1', 'it is steady while the device works')

  t.test('When a grant wants a touch, then nothing opens until the button is pressed', async t => {
    let answered = false
    const answer = desk.decrypt(body).finally(() => {
      answered = true
    })
    await sleep(2000)
    t.notOk(answered, 'it waits')
    t.equal(await light('0,1'), '0,1', 'the light asks for it')
    await machine.monitor('system_powerdown')
    t.match(await answer, { results: [{ value: CARD }] })
    t.equal(await light('1'), '1')
  })

  t.test('When it is locked and unlocked, then the light says so', async t => {
    await admin.lock()
    t.equal(await light('0,1'), '0,1')
    await admin.unlock({ passphrase: PASSPHRASE })
    t.equal(await light('1'), '1')
  })
})

behaviour('the gadget of an image', async () => ({ appliance, stop: async () => {} }))
