/** What is kept of the packages in the root: each line with its reason. docs/formats/image.md, "The root". */
import type { Mode } from '../model.ts'
import type { Keep } from './collect.ts'

const unit = (name: string, why: string): Keep => ({
  package: 'systemd',
  path: `usr/lib/systemd/system/${name}`,
  why,
})

/** Of every image. */
const ROOT: readonly Keep[] = [
  { package: 'systemd', path: 'usr/lib/systemd/systemd', why: 'process 1' },
  { package: 'systemd', path: 'usr/lib/systemd/systemd-executor', why: 'confines and starts each process' },
  { package: 'systemd', path: 'usr/lib/systemd/systemd-journald', why: 'what the processes say, in memory' },
  {
    package: 'systemd',
    path: 'usr/lib/systemd/systemd-shutdown',
    why: 'unmounts the data partition at the end',
  },
  unit('basic.target', 'order of the start'),
  unit('sysinit.target', 'order of the start'),
  unit('local-fs.target', 'order of the start'),
  unit('local-fs-pre.target', 'order of the start'),
  unit('sockets.target', 'order of the start'),
  unit('slices.target', 'order of the start'),
  unit('paths.target', 'order of the start'),
  unit('timers.target', 'order of the start'),
  unit('shutdown.target', 'order of the end'),
  unit('umount.target', 'order of the end'),
  unit('final.target', 'order of the end'),
  unit('reboot.target', 'restart'),
  unit('systemd-reboot.service', 'restart'),
  unit('poweroff.target', 'power off'),
  unit('systemd-poweroff.service', 'power off'),
  unit('systemd-journald.service', 'the journal'),
  unit('systemd-journald.socket', 'the journal'),
  unit('systemd-journald-dev-log.socket', 'the journal'),
]

const DONGLE: readonly Keep[] = [
  { package: 'systemd', path: 'usr/bin/systemd-tmpfiles', why: "gives the gadget's terminal to the gate" },
]

const LAN: readonly Keep[] = [
  { package: 'systemd', path: 'usr/lib/systemd/systemd-networkd', why: 'addresses, by DHCP or fixed' },
  unit('systemd-networkd.service', 'addresses'),
  unit('systemd-networkd.socket', 'addresses'),
  unit('network-pre.target', 'the firewall is there before the network'),
  unit('network.target', 'order of the start'),
  { package: 'udev', path: 'usr/bin/udevadm', why: 'tells systemd-networkd of interfaces' },
  { package: 'udev', path: 'usr/lib/systemd/systemd-udevd', why: 'the name under which it is the daemon' },
  { package: 'udev', path: 'usr/lib/systemd/system/systemd-udevd.service', why: 'interfaces' },
  { package: 'udev', path: 'usr/lib/systemd/system/systemd-udevd-control.socket', why: 'interfaces' },
  { package: 'udev', path: 'usr/lib/systemd/system/systemd-udevd-kernel.socket', why: 'interfaces' },
  { package: 'nftables', path: 'usr/sbin/nft', why: 'loads the firewall' },
]

export function rootList(mode: Mode): readonly Keep[] {
  return [...ROOT, ...(mode === 'dongle' ? DONGLE : LAN)]
}

/** Units that are started, by the target that starts them; of the mode beside those of every image. */
export function wantedUnits(mode: Mode): Record<string, readonly string[]> {
  const lan = [
    'systemd-networkd.service',
    'claviger-network.service',
    'claviger-firewall.service',
    'claviger-udev.service',
  ]
  return {
    'claviger.target': [
      'claviger-keeper.service',
      'claviger-gate.service',
      'claviger-health.service',
      ...(mode === 'dongle' ? ['claviger-gadget.service'] : lan),
    ],
    'sockets.target': [
      'systemd-journald.socket',
      'systemd-journald-dev-log.socket',
      ...(mode === 'lan' ? ['systemd-udevd-control.socket', 'systemd-udevd-kernel.socket'] : []),
    ],
  }
}

/** Programs of a root, each with its reason; more is a mistake. Asserted on the finished tree. */
export function programs(mode: Mode): readonly string[] {
  const list = rootList(mode).filter(
    ({ path, package: from }) => from !== 'systemd' || !path.includes('/system/'),
  )
  return [
    'usr/bin/node',
    ...list.map(({ path }) => path).filter(path => !/\.(?:service|socket|target|rules)$/.test(path)),
  ]
}
