/** What goes wrong on a device: a clock that was never set, a partition that is full, a root that is not what it was. */
import { open, readFile } from 'node:fs/promises'
import type { Test } from 'tap'
import { sealer } from '../../../host-agent/seal/seal.ts'
import { PARTITIONS } from '../../../image-build/disk/layout.ts'
import { SECTOR } from '../../../image-build/disk/mbr.ts'
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

/** A card whose root has one wrong bit. */
export async function flippedBit(t: Test, device: Device): Promise<void> {
  t.test('When one bit of the root is another, then the device does not run on it', async t => {
    const at = PARTITIONS.rootA.start * SECTOR + (await placeOfNode(device))
    const handle = await open(device.card, 'r+')
    const byte = Buffer.alloc(1)
    await handle.read(byte, 0, 1, at)
    byte[0]! ^= 1
    await handle.write(byte, 0, 1, at)
    await handle.close()
    const machine = device.on()
    await machine.ended(240_000)
    t.notOk(machine.running, 'it starts again and again, which this machine does not do')
    t.match(await readFile(machine.console, 'latin1').catch(() => ''), /^/)
    t.equal(await machine.ask('true', 1000).catch(() => 'off'), 'off')
  })
}

/** Somewhere in the middle of the root, which is mostly node. */
async function placeOfNode({ image }: Device): Promise<number> {
  const root = image.manifest.regions.find(({ name }) => name === 'root')!
  return root.size >> 1
}
