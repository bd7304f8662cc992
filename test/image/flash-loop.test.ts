/** `image flash` on loop devices: the kernel's own answers, as far as they can be had without a card reader. */
import { spawnSync } from 'node:child_process'
import { closeSync, constants, existsSync, mkdirSync, openSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { CARD_BYTES } from '../../image-build/disk/layout.ts'
import { bareNode } from '../support/environment.ts'
import { head, smallImage } from './small-image.ts'
import { unlessThere } from './tools.ts'

const MAIN = fileURLToPath(new URL('../../image-build/main.ts', import.meta.url))

/** Loop devices are for root, and not in every container. */
function unlessLoops(): false | string {
  const missing = unlessThere('losetup', 'mount', 'partx', 'mkfs.ext4')
  if (missing) return missing
  if (process.getuid?.() !== 0) return 'only root sets up loop devices'
  return spawnSync('losetup', ['-f']).status === 0 ? false : 'there are no loop devices here'
}

t.test('When the card is a block device', { skip: unlessLoops() }, async t => {
  const directory = t.testdir()
  const small = smallImage(directory)
  const back = join(directory, 'back')
  writeFileSync(back, '')
  truncateSync(back, CARD_BYTES)
  const must = (program: string, ...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' })
    if (status !== 0) throw new Error(`${program}: ${stderr}`)
    return stdout.trim()
  }
  const loop = (...args: string[]) => {
    const device = must('losetup', '-f', '--show', ...args)
    t.teardown(() => spawnSync('losetup', ['-d', device]))
    return { device, name: device.slice('/dev/'.length) }
  }
  const flash = (card: string, ...args: string[]) => {
    const ours = ['--provision', small.provision, '--key', small.key]
    const command = bareNode(MAIN, 'flash', small.path, card, ...ours, ...args)
    const { status, stderr } = spawnSync(...command, { encoding: 'utf8' })
    return { status, stderr }
  }
  const { device, name } = loop('-P', back)
  const agreed = ['--not-removable', '--yes', name]

  await t.test('then one that is built in is refused', async t => {
    t.match(flash(device), {
      status: 1,
      stderr: /is built in, not removable: no model, virtual, 1\.4 GB\nhint/,
    })
  })

  await t.test('then it is written, read back past the memory, and nobody mounts it meanwhile', async t => {
    const { status, stderr } = flash(device, ...agreed)
    t.equal(status, 0, stderr)
    t.match(stderr, /\nread it back\n/, 'and not out of memory')
    const written = head(back, small.bytes.length)
    t.ok(written.subarray(0, 1024).equals(small.bytes.subarray(0, 1024)))
    const verify = ['verify', device, '--manifest', small.manifestPath, '--key', small.key]
    t.match(spawnSync(...bareNode(MAIN, ...verify), { encoding: 'utf8' }), { status: 0 })
  })

  await t.test('then a name is followed to the device', async t => {
    const link = join(directory, 'by-id')
    must('ln', '-s', device, link)
    t.match(flash(link), { status: 1, stderr: new RegExp(`${device} is built in`) })
  })

  await t.test('then another program that has it keeps it', async t => {
    const held = openSync(device, constants.O_RDWR | constants.O_EXCL)
    t.match(flash(device, ...agreed), {
      status: 1,
      stderr: /cannot be written: another program uses it\nhint/,
    })
    closeSync(held)
  })

  await t.test('then its partition is refused, and mounted or held it is in use', async t => {
    // This is what the kernel does by itself where it knows this kind of table.
    const part = `${device}p1`
    if (!existsSync(part)) must('partx', '-a', device)
    t.teardown(() => spawnSync('partx', ['-d', device]))
    t.match(flash(part), { status: 1, stderr: new RegExp(`${part} is a partition of ${device}\nhint`) })
    const at = join(directory, 'mounted here')
    mkdirSync(at)
    // Every kernel has ext4, and not every one FAT.
    must('mkfs.ext4', '-q', '-F', `${device}p2`)
    must('mount', `${device}p2`, at)
    try {
      t.match(flash(device, ...agreed), {
        status: 1,
        stderr: new RegExp(`is in use: ${name}p2 is mounted at ${at}\nhint: .*umount '${at}'`),
      })
    } finally {
      must('umount', at)
    }
    t.match(flash(device, '--not-removable'), {
      status: 1,
      stderr: new RegExp(
        `${device}: .*\n  ${name}p1  101 MB\n  ${name}p2  134 MB\n(.*\\n)*.*no terminal to ask on`,
      ),
    })
    const table = ['create', `claviger-${process.pid}`, '--table', `0 2048 linear ${part} 0`]
    if (spawnSync('dmsetup', table).status !== 0) return t.pass('there is no device mapper here')
    try {
      t.match(flash(device, ...agreed), { status: 1, stderr: /is in use: .* is held by dm-\d+\nhint/ })
    } finally {
      must('dmsetup', 'remove', `claviger-${process.pid}`)
    }
  })

  await t.test('then one that is read-only, too small or empty is refused', async t => {
    const readOnly = loop('-r', back)
    t.match(flash(readOnly.device), { status: 1, stderr: /is read-only\nhint: .*switch/ })
    const few = join(directory, 'few')
    writeFileSync(few, '')
    truncateSync(few, 64 * 2 ** 20)
    t.match(flash(loop(few).device), { status: 1, stderr: /has 67 MB, and the layout needs 1\.4 GB/ })
    const large = join(directory, 'large')
    writeFileSync(large, '')
    truncateSync(large, 2 ** 40)
    t.match(flash(loop(large).device, '--not-removable'), { status: 1, stderr: /is larger than a card/ })
    const free = must('losetup', '-f')
    t.match(flash(free), { status: 1, stderr: /there is no card in/ })
  })

  await t.test('then one that counts in large sectors is refused', async t => {
    const { device: large } = loop('-b', '4096', back)
    t.match(flash(large, '--not-removable'), { status: 1, stderr: /counts in sectors of 4096 bytes/ })
  })
})
