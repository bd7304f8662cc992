/**
 * A Linux machine made of directories: run by linux.test.ts inside mount and network namespaces of its own, where `/sys`, `/run`
 * and `/dev` are empty. The real udev, the real package `usb` and our own code look at it. Each fact is a line of JSON.
 *
 * `rules`: what udev does with devices. `hotplug`: what a watch is told, with the events that udevd would send. `without a bus`:
 * what it is told by looking.
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SLOW_MS, watchUsb } from '../../host-agent/agent/hotplug.ts'
import { UDEV_RULE_NAME } from '../../host-agent/integration/udev.ts'
import { holdingTimers, type Timers } from '../../protocol/link/timers.ts'
import { IDS, ONE, TWO } from './recorded.ts'
import { Sysfs, type SysfsDevice } from './sysfs.ts'

const RULES = fileURLToPath(new URL(`../../host-agent/integration/${UDEV_RULE_NAME}`, import.meta.url))

const dongle = {
  terminal: 'ttyACM1',
  place: '1-3',
  idVendor: '1209',
  idProduct: '0001',
  serial: ONE,
  manufacturer: 'Claviger',
}

function say(fact: object): void {
  process.stdout.write(`${JSON.stringify(fact)}\n`)
}

function run(command: string, args: string[], input?: string): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    input,
    env: { ...process.env, SYSTEMD_DEVICE_VERIFY_SYSFS: '0' },
  })
  if (status !== 0) throw error ?? new Error(`${command} failed: ${stderr}`)
  return stdout + stderr
}

function mountAll(): void {
  for (const directory of ['/sys', '/run', '/dev']) run('mount', ['-t', 'tmpfs', 'none', directory])
  for (const [name, minor] of [
    ['null', '3'],
    ['zero', '5'],
    ['random', '8'],
    ['urandom', '9'],
  ] as const)
    run('mknod', ['-m', '666', `/dev/${name}`, 'c', '1', minor])
}

/** What `udevadm test` says about one device: the properties that matter, and what is run. */
function judge(path: string, name: string): void {
  const lines = run('udevadm', ['test', '--action=add', path]).split('\n')
  const property = (key: string) => lines.find(line => line.startsWith(`${key}=`))?.slice(key.length + 1)
  const links = property('DEVLINKS')?.split(' ') ?? []
  say({
    name,
    ignored: [property('ID_MM_DEVICE_IGNORE'), property('ID_MM_PORT_IGNORE')],
    tagged: property('TAGS')?.split(':').includes('uaccess') ?? false,
    // udev does what was tagged only if the tag came before its own rule
    granted: lines.some(line => /^run: 'uaccess'/.test(line)),
    link: links.find(link => link.includes('claviger')),
    faults: lines.filter(line => line.includes(UDEV_RULE_NAME) && /invalid|unknown|error/i.test(line)),
  })
}

function rules(): void {
  mkdirSync('/run/udev/rules.d', { recursive: true })
  copyFileSync(RULES, join('/run/udev/rules.d', UDEV_RULE_NAME))
  const devices: [name: string, device: SysfsDevice][] = [
    ['dongle', dongle],
    ['other', { ...dongle, terminal: 'ttyACM2', place: '1-4', idVendor: '2341', idProduct: '0043' }],
    ['nameless', { ...dongle, terminal: 'ttyACM3', place: '1-5', serial: '../../etc/cron.d/x' }],
    ['long', { ...dongle, terminal: 'ttyACM4', place: '1-6', serial: `${TWO}0` }],
  ]
  const sysfs = new Sysfs(
    '/sys',
    devices.map(([, device]) => device),
  )
  for (const [name, device] of devices) {
    judge(join('/sys', sysfs.terminalOf(device)), name)
    judge(join('/sys', sysfs.pathOf(device)), `${name} device`)
  }
  say({ escaped: existsSync('/etc/cron.d/x') })
}

/** Sends what udevd sends to everybody who listens, when its rules are done with a device (libudev's monitor). */
const UDEVD = `
import json, socket, struct, sys
properties = b''.join(f'{key}={value}'.encode() + b'\\0' for key, value in json.load(sys.stdin).items())
header = struct.pack('=8sIIIIIIII', b'libudev\\0', socket.htonl(0xfeedcafe), 40, 40, len(properties), 0, 0, 0, 0)
netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15)
netlink.sendto(header + properties, (0, 2))
`

/** Starts a watch; `heard()` resolves with what it is told next. */
async function watch(timers: Timers) {
  let hear = (_serials: (string | null)[]) => {}
  const heard = () => new Promise<(string | null)[]>(resolve => (hear = resolve))
  const first = heard()
  const watching = watchUsb({
    fingerprints: [IDS],
    onChange: ports => hear(ports.map(port => port.serial)),
    timers,
  })
  say({ at: 'start', serials: await first })
  return { watching, heard }
}

async function hotplug(): Promise<void> {
  const sysfs = new Sysfs('/sys', [{ ...dongle, idVendor: '2341', place: '1-1', terminal: 'ttyACM0' }])
  const { watching, heard } = await watch({
    ...holdingTimers,
    // the slow look never comes: what is told, an event has told
    setTimeout: (callback, ms) => holdingTimers.setTimeout(callback, ms === SLOW_MS ? 1e8 : ms),
  })
  let devnum = 2
  const send = (action: string) =>
    run(
      'python3',
      ['-c', UDEVD],
      JSON.stringify({
        ACTION: action,
        DEVPATH: `/${sysfs.pathOf(dongle)}`,
        SUBSYSTEM: 'usb',
        DEVTYPE: 'usb_device',
        BUSNUM: '001',
        DEVNUM: String(devnum).padStart(3, '0'),
      }),
    )
  for (const round of [1, 2]) {
    const plugged = heard()
    sysfs.addDevice(dongle)
    devnum++
    send('add')
    await new Promise(resolve => setTimeout(resolve, 100))
    sysfs.addTerminal(dongle)
    say({ at: `plugged ${round}`, serials: await plugged })
    const pulled = heard()
    sysfs.remove(dongle)
    send('remove')
    say({ at: `pulled ${round}`, serials: await pulled })
  }
  await watching.stop()
  say({ at: 'stopped' })
}

/** As in a container: there are terminals, but no bus. */
async function withoutBus(): Promise<void> {
  const sysfs = new Sysfs('/sys', [dongle])
  const link = join('/sys/class/tty', dongle.terminal)
  for (const path of ['/sys/bus', link]) rmSync(path, { recursive: true })
  const { watching, heard } = await watch(holdingTimers)
  const plugged = heard()
  symlinkSync(join('/sys', sysfs.terminalOf(dongle)), link)
  say({ at: 'plugged', serials: await plugged })
  await watching.stop()
  say({ at: 'stopped' })
}

mountAll()
const parts: Record<string, () => void | Promise<void>> = { rules, hotplug, 'without a bus': withoutBus }
await parts[process.argv[2]!]!()
