/**
 * The Pi's own device tree and card controller, as far as an emulator has them (`-M raspi3b`): kernel, card, root and services,
 * seen on the serial console, of a device that has an owner. The firmware does not run, its watchdog does not wait, and there is
 * no USB gadget.
 */
import { spawn, spawnSync } from 'node:child_process'
import { copyFile, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { cmdline } from '../../../image-build/boot/cmdline.ts'
import { writeCpio } from '../../../image-build/initramfs/cpio.ts'
import { FACTS } from '../../../image-build/model.ts'
import { Tree } from '../../../image-build/tree/tree.ts'
import { figure } from '../guest/figures.ts'
import { ownData } from './owned-data.ts'
import { Device, image } from './site.ts'

const QEMU = 'qemu-system-aarch64'
/** Until its services are up, ms; an emulated Pi is slower than an emulated virtual machine. */
const LIMIT = 480_000
/** The controller wants a card whose size is a power of two. */
const CARD_BYTES = 2 ** 31
/** What the keeper says when its keystore is there and nobody has unlocked it. */
const LOCKED = /\]: locked$/m
t.setTimeout(LIMIT + 240_000)

await t.test('When a Pi is started with the card, then its services come up from it', async t => {
  t.setTimeout(LIMIT + 240_000)
  const device = await Device.flash(await image('dongle', 'zero2w'), 'pi', 0)
  const at = (name: string) => join(device.directory, name)
  const { deviceTree } = FACTS.zero2w
  // what the firmware would hand to the kernel
  const copied = spawnSync(
    'mcopy',
    ['-n', '-i', `${device.image.path}@@1M`, `::a/${deviceTree}`, at('dtb')],
    { encoding: 'utf8' },
  )
  t.equal(copied.status, 0, copied.stderr)
  await ownData(device.card, device.directory)
  await copyFile(device.card, at('sd'))
  await truncate(at('sd'), CARD_BYTES)
  // this emulator starts again as soon as somebody starts its watchdog
  const without = new Tree()
  without.file('modules/bcm2835_wdt.ko', '')
  await writeFile(
    at('initramfs'),
    Buffer.concat([await readFile(device.image.initramfs), writeCpio(without)]),
  )
  const line = `${cmdline('ttyAMA0,115200')} systemd.journald.forward_to_console=1`
  const child = spawn(
    QEMU,
    [
      ...['-M', 'raspi3b', '-display', 'none', '-no-reboot', '-kernel', device.image.kernel],
      ...['-initrd', at('initramfs'), '-dtb', at('dtb'), '-append', line],
      ...['-drive', `if=sd,format=raw,file=${at('sd')}`, '-serial', `file:${at('console')}`],
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  )
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  t.teardown(kill)
  const started = performance.now()
  const said = async () => (await readFile(at('console'), 'latin1').catch(() => '')).replaceAll('\r', '')
  while (!LOCKED.test(await said()) && performance.now() - started < LIMIT && child.exitCode === null)
    await sleep(500)
  figure(t, 'raspi3b-to-locked', (performance.now() - started) / 1000, 's')
  const text = await said()
  t.match(text, /mmcblk\d: p1 p2 p3 p4/, 'the card')
  t.match(text, /verity: sha256/, 'the root')
  t.match(text, /EXT4-fs \(mmcblk\dp4\): mounted/, 'the data partition')
  t.match(text, /handing over/)
  t.match(text, LOCKED, 'the keeper')
})
