/**
 * The image: its size, how long an emulated device takes to start, and what its three processes keep in memory. The floor of
 * the start is the same kernel in the same machine with a first program that does nothing.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { VERSION } from '../../appliance/version.ts'
import { writeCpio } from '../../image-build/initramfs/cpio.ts'
import { variantName } from '../../image-build/model.ts'
import type { Report } from '../../image-build/release/report.ts'
import { Tree } from '../../image-build/tree/tree.ts'
import { resident } from '../vm/image/inventory.ts'
import { Machine } from '../vm/image/machine.ts'
import { builder, Device, type Image, image } from '../vm/image/site.ts'
import type { Figure } from './figure.ts'

/** For the device's HTTPS. */
const PORT = 28_444
const NOTHING_MS = 120_000

export const figures: { name: string; run: () => Promise<Figure> }[] = [
  { name: 'image-size', run: () => size('image-size', 'image compressed', 72) },
  { name: 'slot-size', run: () => size('slot-size', 'slot (root, hash tree, kernel, initramfs)', 80) },
  { name: 'boot-ratio', run: bootRatio },
  { name: 'resident', run: memory },
]

/** Of a release of the smallest device, MB; beside it what is in the root before it is compressed. */
async function size(name: string, part: string, bar: number): Promise<Figure> {
  const out = await mkdtemp(join(tmpdir(), 'claviger-size-'))
  try {
    await builder('build', '--out', out)
    const variant = { mode: 'dongle', model: 'zero2w', kernel: 'stable' } as const
    const report = JSON.parse(
      await readFile(join(out, `${variantName(variant, VERSION)}.report.json`), 'utf8'),
    )
    const { sizes } = report as Report
    const floor = sizes['root before compression']! / 1e6
    return { name, value: sizes[part]! / 1e6, unit: 'MB', floor, bar, better: 'lower' }
  } finally {
    await rm(out, { recursive: true })
  }
}

/** Guest seconds until the gate answers and the keeper is locked, against those until the first program runs. */
async function bootRatio(): Promise<Figure> {
  const box = await image('lan', '4')
  const device = await Device.flash(box, 'bench', PORT)
  try {
    device.on()
    await device.ready()
    await device.provision()
    await device.off()
    device.on()
    const locked = await device.ready()
    await device.off()
    const floor = await toNothing(box, device)
    return { name: 'boot-ratio', value: locked / floor, unit: 'x', floor, bar: 2, better: 'lower' }
  } finally {
    await device.off()
  }
}

/** Until a first program that does nothing runs: seconds of the kernel's clock. */
async function toNothing({ kernel, initramfs }: Image, { directory, card }: Device): Promise<number> {
  const tree = new Tree()
  const init =
    '#!/bin/sh\nPATH=/bin\nmount -t proc p /proc\nmount -t devtmpfs d /dev\necho "up $(cat /proc/uptime)" >/dev/ttyAMA0\nsleep 1\nreboot -f\n'
  tree.file('init', init, { mode: 0o755 })
  const bare = join(directory, 'bare')
  await writeFile(bare, Buffer.concat([await readFile(initramfs), writeCpio(tree)]))
  const commandLine = 'console=null quiet loglevel=0 rdinit=/init init_on_free=1 panic=10'
  const machine = new Machine({ kernel, initramfs: bare, card, directory, commandLine, port: PORT })
  try {
    await machine.ended(NOTHING_MS)
    await sleep(100)
    return Number(/up ([\d.]+)/.exec(await readFile(machine.console, 'latin1'))![1])
  } finally {
    await machine.off()
  }
}

/** MiB of the three processes of a device that was just claimed, what they share counted once; the floor is a node that does nothing. */
async function memory(): Promise<Figure> {
  const device = await Device.flash(await image('lan', '4'), 'bench', PORT)
  try {
    device.on()
    await device.ready()
    await device.provision()
    const value = await resident(device)
    const idle = await device.machine.ask(
      "busybox chroot /proc/1/root /usr/bin/node --jitless -e \"console.log(require('fs').readFileSync('/proc/self/smaps_rollup','utf8'))\" | grep ^Rss:",
      120_000,
    )
    const floor = Number(/(\d+) kB/.exec(idle)?.[1]) / 1024
    return { name: 'resident', value, unit: 'MiB', floor, bar: 180, better: 'lower' }
  } finally {
    await device.off()
  }
}
