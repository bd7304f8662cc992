/** A card that is not what it was: a bit of the root, the data partition. */
import { open } from 'node:fs/promises'
import t from 'tap'
import { PARTITIONS } from '../../../image-build/disk/layout.ts'
import { SECTOR } from '../../../image-build/disk/mbr.ts'
import { Device, image } from './site.ts'

/** Until a device that reads a wrong block has panicked and wants to start again, ms. */
const LIMIT = 240_000
t.setTimeout(4 * LIMIT)

await t.test('When one bit of the root is another, then the device does not run on it', async t => {
  t.setTimeout(4 * LIMIT)
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
  await device.off()

  await t.test(
    'When the data partition is damaged, then it is left as it is, and the device says so',
    async t => {
      const data = PARTITIONS.data.start * SECTOR
      const noise = Buffer.alloc(64 * 1024, 0x5a)
      const card = await open(device.card, 'r+')
      await card.write(noise, 0, noise.length, data)
      await card.close()
      const again = device.on()
      t.match(
        await again.until('cat /proc/1/root/run/claviger/fault 2>/dev/null', /damaged/, LIMIT),
        /left as it is/,
      )
      await again.until('ls /proc/1/root/run/claviger/health', /health\.sock/, LIMIT)
      const running =
        "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep '^/usr/lib/claviger/.*mjs$'"
      t.equal(await again.ask(running), '/usr/lib/claviger/health.mjs', 'nothing but health runs')
      await device.off()
      const there = await open(device.card, 'r')
      const found = Buffer.alloc(noise.length)
      await there.read(found, 0, found.length, data)
      await there.close()
      t.ok(found.equals(noise), 'not a byte of it was changed')
    },
  )
})
