/**
 * `up` and `down` of the USB gadget: the one step of the dongle that needs root. It reads the device's public key and
 * nothing else of the device, listens to nobody, and ends.
 */

import { spawnSync } from 'node:child_process'
import { createPublicKey } from 'node:crypto'
import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { spkiPin } from '../../protocol/identity/certificate.ts'
import { deviceSerial } from '../../protocol/identity/device-serial.ts'
import { formatUsbIds, parseUsbIds, TEST_USB_IDS } from '../../protocol/link/usb-identity.ts'
import { VERSION } from '../version.ts'
import { GADGETS, thisKernel } from './configfs.ts'
import { down, GadgetError, up } from './gadget.ts'
import { holdersOf } from './holders.ts'
import { makeRaw } from './raw.ts'

const USAGE = `claviger-gadget up --identity DIR [--ids vvvv:pppp] [--udc NAME]
claviger-gadget down

  --identity DIR   where the gate keeps device.pub, the device's public key; waited for on the first boot
  --ids            vendor and product of the USB device, four hexadecimal digits each
  --udc NAME       the controller, where there are several (see /sys/class/udc)
`

/** How long the gate may take to make the device's key, ms. */
const IDENTITY_MS = 60_000

const options = {
  identity: { type: 'string' },
  ids: { type: 'string' },
  udc: { type: 'string' },
} as const

function usage(message: string): never {
  process.stderr.write(`claviger-gadget: ${message}\n${USAGE}`)
  process.exit(2)
}

function readOptions() {
  try {
    return parseArgs({ options, allowPositionals: true })
  } catch (error) {
    return usage((error as Error).message)
  }
}

const kernel = thisKernel()
const { values, positionals } = readOptions()
const [verb, ...rest] = positionals
if ((verb !== 'up' && verb !== 'down') || rest.length > 0) usage('say up or down')
try {
  if (verb === 'up') await goUp()
  else say((await down({ kernel, holders: holdersOf, sleep })) ? 'the gadget is gone' : 'there was no gadget')
} catch (error) {
  const { message, hint = null, code } = error as Error & { hint?: string; code?: string }
  process.stderr.write(`claviger-gadget: ${message}\n`)
  const next = code === 'EACCES' || code === 'EPERM' ? 'this needs root' : hint
  if (next) process.stderr.write(`hint: ${next}\n`)
  process.exitCode = 1
}

async function goUp(): Promise<void> {
  const ids = values.ids === undefined ? TEST_USB_IDS : parseUsbIds(values.ids)
  if (!ids) usage('--ids takes vvvv:pppp, four hexadecimal digits each')
  if (!values.identity) usage('--identity is needed')
  if (formatUsbIds(ids) === formatUsbIds(TEST_USB_IDS))
    process.stderr.write(
      `claviger-gadget: warning: ${formatUsbIds(ids)} is for tests only\nhint: give the ids of this product with --ids\n`,
    )
  const serialNumber = deviceSerial(await publicPin(join(values.identity, 'device.pub')))
  await offerGadgets()
  const { controller, terminal, changed } = await up(
    { ids, serialNumber, version: VERSION },
    { kernel, controller: values.udc, makeRaw },
  )
  say(`${changed ? 'set up' : 'unchanged'}: ${terminal} on ${controller}, serial number ${serialNumber}`)
}

/** The pin of the device's key; the gate makes the key when it starts for the first time. */
async function publicPin(path: string): Promise<Uint8Array> {
  const end = performance.now() + IDENTITY_MS
  for (;;) {
    const pem = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
      if (performance.now() > end)
        throw new GadgetError(`there is no ${path}`, 'the gate writes it when it starts: is it running?')
      return null
    })
    if (pem !== null) return spkiPin(createPublicKey(pem))
    await sleep(100)
  }
}

/** On the Pi systemd has done this; elsewhere it is tried, and what is still missing is told by `up`. */
async function offerGadgets(): Promise<void> {
  if (await there(GADGETS)) return
  spawnSync('modprobe', ['libcomposite'], { stdio: 'ignore' })
  if (await there(GADGETS)) return
  spawnSync('mount', ['-t', 'configfs', 'none', '/sys/kernel/config'], { stdio: 'ignore' })
}

function there(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

function say(line: string): void {
  process.stdout.write(`claviger-gadget: ${line}\n`)
}
