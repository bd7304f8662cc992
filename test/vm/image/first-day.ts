/** An administrator's first day with a LAN box, and what the box is from within. */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { readProfile } from '../../../host-agent/client/profile.ts'
import { suiteOn } from '../../behaviour/suite.ts'
import { PASSPHRASE, PIN, TestAppliance } from '../../support/appliance.ts'
import { figure } from '../guest/figures.ts'
import { inventory, resident } from './inventory.ts'
import { powerCuts } from './power.ts'
import { Device, image } from './site.ts'
import { fullDisk, oldClock } from './trouble.ts'

const PORT = 28_443
/** An emulated device that hangs shall say where. */
const MINUTES = 20
const FIELD = ['--field', 'card.number', '--record', 'cust_cards/42']
const CARD = '4242424242424242'

t.setTimeout(MINUTES * 60_000)
await t.test('a LAN box', async t => {
  t.setTimeout(MINUTES * 60_000)
  const device = await Device.flash(await image('lan', '4'), 'back-office', PORT)
  t.teardown(() => device.off())

  await t.test(
    'When a card is flashed, started and made somebody’s own, then its till opens a field',
    async t => {
      device.on('1970-01-01T00:00:00')
      figure(t, 'image-first-boot', await device.ready(), 's')
      await device.provision()
      const sheet = await readFile(join(device.directory, 'sheet.html'), 'utf8')
      t.match(sheet, /back-office/)
      const key = (await device.expect(['admin', 'key', 'show', 'cards', '--public'])).trim()
      const { invitation } = JSON.parse(await device.expect(['admin', 'agent', 'invite', 'till', '--json']))
      await device.expect(['enrol', invitation, '--pin-fd', '3'], { secret: PIN })
      const grant = ['--key', 'cards', '--field', 'card.number', '--purpose', 'charge', '--reveal', 'full']
      await device.expect(['admin', 'grant', 'add', 'till', ...grant, '--budget', 'day=100'])
      const sealed = await device.claviger(['seal', '--public-key', key, ...FIELD], { stdin: CARD })
      const token = sealed.stdout.trim()
      const open = ['open', '--as', 'till', '--purpose', 'charge', ...FIELD, token]
      t.equal((await device.expect(open)).trim(), CARD)
      const other = await device.claviger(
        open.map(word => (word === 'cust_cards/42' ? 'cust_cards/43' : word)),
      )
      t.equal(other.status, 1, 'and not at another place')
      const { tier } = JSON.parse(await device.expect(['admin', 'health', '--json']))
      t.equal(tier, 'verified-root')
    },
  )

  const appliance = new TestAppliance([device.address])
  t.teardown(() => appliance.close())
  appliance.admin = await readProfile(device.directory, 'owner')
  await t.test('its clock', t => oldClock(t, device))
  // its own limits are on, so that strangers by the hundred would only be made to wait
  await t.test('the decrypt suite', t => suiteOn(t, appliance, ['opening', 'bodies', 'load']))
  await t.test('its inventory', t => inventory(t, device, 'lan'))
  figure(t, 'image-resident', await resident(device), 'MiB')
  await t.test('a full data partition', t => fullDisk(t, device, appliance))
  await t.test('power cuts', t => powerCuts(t, device, appliance, PASSPHRASE))
})
