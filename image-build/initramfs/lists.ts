/** What is in the initramfs: programs, kernel modules, settings; each with its reason. */
import type { Mode, Model, Variant } from '../model.ts'
import type { Keep } from '../tree/collect.ts'

/** Programs. The initramfs is gone once systemd runs. */
export const PROGRAMS: readonly Keep[] = [
  { package: 'busybox', path: 'usr/bin/busybox', why: 'the shell that runs init.sh, and what it calls' },
  { package: 'dmsetup', path: 'usr/sbin/dmsetup', why: 'sets up verity' },
  { package: 'e2fsprogs', path: 'usr/sbin/mke2fs', why: 'makes the data partition on the first boot' },
  { package: 'e2fsprogs', path: 'usr/sbin/e2fsck', why: 'mends what a power cut left in its journal' },
]

/** Names under which busybox is called. */
export const APPLETS =
  'sh cat chmod chown cp date dd echo grep hexdump insmod mkdir mount mv reboot rmmod sed sleep stat switch_root sync umount'.split(
    ' ',
  )

/** Modules of every image, in the order in which they are loaded; `?` marks what some kernels have in themselves under no name. */
const FIRST: readonly string[] = [
  // the watchdog first
  'bcm2835_wdt',
]
const LAST: readonly string[] = [
  // the root
  'sha256-arm64?',
  'dm-verity',
  'squashfs',
  // the data partition
  'crc32c_generic?',
  'ext4',
  // provision.json; gone again before systemd starts
  'nls_cp437',
  'nls_ascii',
  'vfat',
  // light and button
  'leds-gpio',
  'gpio_keys',
  'evdev',
]

/** Randomness, card, temperature. */
const OF_MODEL: Record<Model, readonly string[]> = {
  zero2w: ['bcm2835-rng', 'bcm2835', 'sdhci-iproc', 'bcm2835_thermal'],
  '3': ['bcm2835-rng', 'bcm2835', 'sdhci-iproc', 'bcm2835_thermal'],
  // the card of a 4 gets its power through regulators that its driver does not name
  '4': ['iproc-rng200', 'fixed', 'gpio-regulator', 'sdhci-iproc', 'bcm2711_thermal'],
}

/** A dongle has no driver of a network. */
const DONGLE: readonly string[] = ['phy-generic', 'dwc2', 'configfs', 'libcomposite', 'u_serial', 'usb_f_acm']

/** A LAN box has no function of a USB gadget. */
const FIREWALL: readonly string[] = ['nf_tables', 'nf_conntrack', 'nft_ct', 'nft_limit']
const NETWORK: Record<Model, readonly string[]> = {
  zero2w: [],
  // behind its USB
  '3': ['phy-generic', 'dwc2', 'microchip', 'lan78xx', 'smsc95xx'],
  '4': ['mdio-bcm-unimac', 'broadcom', 'genet'],
}

/** Whatever is not on the list is never loaded. */
export function moduleList({ mode, model }: Pick<Variant, 'mode' | 'model'>): readonly string[] {
  const wire = mode === 'dongle' ? DONGLE : [...NETWORK[model], ...FIREWALL]
  return [...FIRST, ...OF_MODEL[model], ...LAST, ...wire]
}

/** Settings of the kernel, by their place below /proc/sys. */
const SETTINGS: Record<string, string> = {
  'kernel/kptr_restrict': '2',
  'kernel/dmesg_restrict': '1',
  'kernel/perf_event_paranoid': '3',
  'kernel/unprivileged_bpf_disabled': '1',
  'kernel/kexec_load_disabled': '1',
  'kernel/yama/ptrace_scope': '3',
  'kernel/sysrq': '0',
  'kernel/core_pattern': '',
  'fs/suid_dumpable': '0',
  'fs/protected_fifos': '2',
  'fs/protected_regular': '2',
  'vm/unprivileged_userfaultfd': '0',
  'vm/mmap_rnd_bits': '24',
}

const NETWORK_SETTINGS: Record<string, string> = {
  'net/ipv4/conf/all/rp_filter': '1',
  'net/ipv4/conf/all/accept_redirects': '0',
  'net/ipv4/conf/default/accept_redirects': '0',
  'net/ipv4/conf/all/send_redirects': '0',
  'net/ipv6/conf/all/accept_redirects': '0',
  'net/ipv6/conf/default/accept_redirects': '0',
  'net/ipv6/conf/all/accept_ra': '0',
  'net/ipv6/conf/default/accept_ra': '0',
}

export function settings(mode: Mode): Record<string, string> {
  return mode === 'lan' ? { ...SETTINGS, ...NETWORK_SETTINGS } : SETTINGS
}
