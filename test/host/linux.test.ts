/**
 * The host's side on a real Linux: udev with our rule, the package `usb` with udevd's events, systemd with our unit. What needs a
 * machine of its own gets one made of directories, in namespaces (own-machine.ts).
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { DEFAULT_FINGERPRINTS, isDongle } from '../../host-agent/client/usb/fingerprints.ts'
import { UDEV_RULE_NAME, udevRule } from '../../host-agent/integration/udev.ts'
import { formatUsbIds, type UsbIds } from '../../protocol/link/usb-identity.ts'
import { bareNode } from '../support/environment.ts'
import { ONE } from './recorded.ts'

const FOLDER = fileURLToPath(new URL('../../host-agent/integration/', import.meta.url))
const OWN_MACHINE = fileURLToPath(new URL('./own-machine.ts', import.meta.url))

const has = (command: string) => !spawnSync(command, ['--version'], { stdio: 'ignore' }).error
/** @returns why a test cannot run here, or false; never in CI */
function missing(...tools: string[]): string | false {
  if (process.env.CI) return false
  const absent = tools.find(tool => !has(tool))
  return absent === undefined ? false : `${absent} is not installed`
}
const needsRoot = (...tools: string[]) =>
  !process.env.CI && process.getuid?.() !== 0 ? 'only root may make namespaces' : missing(...tools)

/** @returns the lines that own-machine.ts printed; it has to end by itself */
function onOwnMachine(t: Test, what: string): Record<string, unknown>[] {
  const [command, args] = bareNode(OWN_MACHINE, what)
  const { stdout, stderr, status, signal } = spawnSync(
    'unshare',
    ['--mount', '--net', '--', command, ...args],
    {
      encoding: 'utf8',
      timeout: 20_000,
      killSignal: 'SIGKILL',
    },
  )
  t.strictSame([status, signal], [0, null], `${what} ended by itself ${stderr}`)
  return stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Record<string, unknown>)
}

t.test('When the rule is generated, then the file that comes with claviger is it', t => {
  t.equal(readFileSync(join(FOLDER, UDEV_RULE_NAME), 'utf8'), udevRule(DEFAULT_FINGERPRINTS))
  // udev reads in the order of names: the tag has to be there when 73-seat-late looks for it
  t.ok(UDEV_RULE_NAME > '60-serial.rules' && UDEV_RULE_NAME < '73-seat-late.rules')
  t.end()
})

t.test('When the ids are others, then the rule is for them and no others', t => {
  const id = fc.integer({ min: 0, max: 0xffff })
  const ids: fc.Arbitrary<UsbIds> = fc.record({ vendorId: id, productId: id }, { noNullPrototype: true })
  fc.assert(
    fc.property(fc.uniqueArray(ids, { selector: formatUsbIds, maxLength: 5 }), table => {
      const lines = udevRule(table).split('\n')
      const found = lines.flatMap(line => {
        const [, vendorId, productId] =
          /^ATTRS\{idVendor\}=="(\w{4})", ATTRS\{idProduct\}=="(\w{4})", TAG\+="uaccess"/.exec(line) ?? []
        return vendorId ? [{ vendorId, productId }] : []
      })
      t.equal(found.length, table.length)
      t.ok(found.every(one => isDongle(one, table)))
    }),
    { numRuns: 50 },
  )
  const print = (...args: string[]) => {
    const [command, line] = bareNode(join(FOLDER, 'udev.ts'), ...args)
    return spawnSync(command, line, { encoding: 'utf8' })
  }
  t.equal(
    print('1d50:60fe', '1209:0001').stdout,
    udevRule([{ vendorId: 0x1d50, productId: 0x60fe }, ...DEFAULT_FINGERPRINTS]),
  )
  t.match(print('1d50'), { status: 2, stdout: '' })
  t.match(print(), { status: 2, stdout: '' })
  t.end()
})

t.test(
  'When udev reads the rule, then a dongle is for who sits there, has its name, and no modem',
  { skip: needsRoot('unshare', 'udevadm') },
  async t => {
    const facts = onOwnMachine(t, 'rules')
    const of = (name: string) => facts.find(fact => fact.name === name)
    const nothing = { ignored: [null, null], tagged: false, granted: false, faults: [] }
    const ours = { ignored: ['1', '1'], tagged: true, granted: true, faults: [] }
    t.strictSame(of('dongle'), { name: 'dongle', ...ours, link: `/dev/claviger/${ONE}` })
    t.strictSame(of('other'), { name: 'other', ...nothing })
    t.strictSame(of('other device'), { name: 'other device', ...nothing })
    t.strictSame(of('dongle device'), { name: 'dongle device', ...nothing, ignored: ['1', null] })
    // a serial number that is none of ours makes no path
    for (const name of ['nameless', 'long']) t.strictSame(of(name), { name, ...ours })
    t.strictSame(facts.at(-1), { escaped: false })
  },
)

t.test(
  'When udevd tells of a dongle, then its terminal is found without waiting for a look, and nothing is left',
  { skip: needsRoot('unshare', 'python3') },
  async t => {
    t.strictSame(onOwnMachine(t, 'hotplug'), [
      { at: 'start', serials: [] },
      { at: 'plugged 1', serials: [ONE] },
      { at: 'pulled 1', serials: [] },
      { at: 'plugged 2', serials: [ONE] },
      { at: 'pulled 2', serials: [] },
      { at: 'stopped' },
    ])
  },
)

t.test(
  'When a machine has no USB bus, then the package is not listened to, which would end the process',
  { skip: needsRoot('unshare') },
  async t => {
    t.strictSame(onOwnMachine(t, 'without a bus'), [
      { at: 'start', serials: [] },
      { at: 'plugged', serials: [ONE] },
      { at: 'stopped' },
    ])
  },
)

t.test(
  'When systemd reads the unit, then it finds no fault',
  { skip: missing('systemd-analyze') },
  async t => {
    const directory = mkdtempSync(join(tmpdir(), 'clv-'))
    t.teardown(() => rmSync(directory, { recursive: true }))
    const unit = join(directory, 'claviger-agent.service')
    copyFileSync(join(FOLDER, 'claviger-agent.service'), unit)
    const env = { ...process.env, XDG_RUNTIME_DIR: directory, HOME: directory, NODE_OPTIONS: '' }
    const analyze = (...args: string[]) =>
      spawnSync('systemd-analyze', ['--user', ...args], { encoding: 'utf8', env })
    t.match(analyze('verify', unit), { status: 0, stderr: '' })
    writeFileSync(unit, readFileSync(unit, 'utf8').replace('Type=exec', 'Type=exce'))
    t.notSame(analyze('verify', unit).stderr, '', 'it does look')

    copyFileSync(join(FOLDER, 'claviger-agent.service'), unit)
    const { stdout } = analyze('security', '--offline=yes', '--json=short', unit)
    const checks = JSON.parse(stdout) as { name: string; set: boolean }[]
    const isSet = (name: string) => checks.some(check => check.name === name && check.set)
    for (const name of [
      'NoNewPrivileges=',
      'LockPersonality=',
      'RestrictRealtime=',
      'RestrictSUIDSGID=',
      'RestrictNamespaces=~user',
      'RestrictNamespaces=~mnt',
      'RestrictAddressFamilies=~AF_PACKET',
      'SystemCallArchitectures=',
      'SystemCallFilter=~@mount',
      'SystemCallFilter=~@module',
      'SystemCallFilter=~@debug',
      'UMask=',
    ])
      t.ok(isSet(name), name)
    // the package usb ends the process where it may not hear udev
    t.notOk(isSet('RestrictAddressFamilies=~AF_NETLINK'))
  },
)

t.test(
  'When a property list is parsed, then launchd is told the same as systemd',
  { skip: missing('python3') },
  t => {
    const { stdout } = spawnSync(
      'python3',
      [
        '-c',
        'import json, plistlib, sys; print(json.dumps(plistlib.load(open(sys.argv[1], "rb"))))',
        join(FOLDER, 'org.claviger.agent.plist'),
      ],
      { encoding: 'utf8' },
    )
    const unit = readFileSync(join(FOLDER, 'claviger-agent.service'), 'utf8')
    t.match(JSON.parse(stdout), {
      Label: 'org.claviger.agent',
      ProgramArguments: /^ExecStart=(.*)$/m.exec(unit)?.[1]?.split(' '),
      RunAtLoad: true,
      KeepAlive: { SuccessfulExit: false },
      Umask: 0o077,
    })
    t.end()
  },
)
