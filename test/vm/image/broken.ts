/** A card whose root is not what was built. */
import { open } from 'node:fs/promises'
import t from 'tap'
import { PARTITIONS } from '../../../image-build/disk/layout.ts'
import { SECTOR } from '../../../image-build/disk/mbr.ts'
import { Device, image } from './site.ts'

/** Until a device that reads a wrong block has panicked and wants to start again, ms. */
const LIMIT = 240_000
t.setTimeout(2 * LIMIT)

await t.test('When one bit of the root is another, then the device does not run on it', async t => {
  const device = await Device.flash(await image('dongle', 'zero2w'), 'worn', 0)
  t.teardown(() => device.off())
  // the blocks that every start reads: the first ones of the root
  const handle = await open(device.card, 'r+')
  const bytes = Buffer.alloc(1)
  const at = PARTITIONS.rootA.start * SECTOR + 100
  await handle.read(bytes, 0, 1, at)
  bytes[0]! ^= 1
  await handle.write(bytes, 0, 1, at)
  await handle.close()
  const machine = device.on()
  // it panics and starts again, which this machine does by switching itself off
  await machine.ended(LIMIT)
  t.notOk(machine.running)
  // with the bit as it was, the same card starts
  const mended = await open(device.card, 'r+')
  bytes[0]! ^= 1
  await mended.write(bytes, 0, 1, at)
  await mended.close()
  device.on()
  t.ok((await device.ready()) > 0)
})
