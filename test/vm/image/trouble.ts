/** What goes wrong on a running device: a clock that was never set, a partition that is full. */
import type { Test } from 'tap'
import { sealer } from '../../../host-agent/seal/seal.ts'
import { CARD, one, PLACE } from '../../behaviour/suite.ts'
import { PIN, type TestAppliance } from '../../support/appliance.ts'
import type { Device } from './site.ts'

/** The machine was started in 1970. */
export async function oldClock(t: Test, { machine, image }: Device): Promise<void> {
  t.test('When the clock was never set, then it is no earlier than the image', async t => {
    t.ok(Number(await machine.ask('date +%s')) >= image.manifest.date)
  })
}

export async function fullDisk(t: Test, { machine }: Device, appliance: TestAppliance): Promise<void> {
  t.test(
    'When the data partition is full, then nothing opens, and when it has room again, it does',
    async t => {
      const admin = await appliance.connect(appliance.admin)
      const key = await admin.createKey('full')
      const till = await appliance.connect(await appliance.enrol('full-till', 'operator', ['full'], PIN))
      const body = one(sealer(key.versions[0]!.publicKey)(PLACE, CARD))
      t.match(await till.decrypt(body), { results: [{ value: CARD }] })
      await machine.ask('dd if=/dev/zero of=/proc/1/root/data/fill bs=1M 2>/dev/null; sync', 300_000)
      // what is left of the log's last block may still be written
      let opened = 0
      const refused = async () => {
        for (; opened < 50; opened++) await till.decrypt(body)
      }
      await t.rejects(refused(), { code: 'audit-unavailable' })
      await machine.ask('rm /proc/1/root/data/fill; sync')
      t.match(await till.decrypt(body), { results: [{ value: CARD }] })
    },
  )
}
