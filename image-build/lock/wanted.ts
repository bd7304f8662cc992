/**
 * The packages of an image, each with its reason. Nothing is added because another package depends on it: what a program
 * needs to start is checked on the programs themselves (tree/libraries.ts).
 */
import type { PackageSet } from './lock-file.ts'

/** Why a package is in the lock file. */
export interface Wanted {
  readonly name: string
  readonly why: string
}

/** Packages of every image. */
export const WANTED: readonly Wanted[] = [
  { name: 'systemd', why: 'starts, confines and watches the three processes' },
  { name: 'libsystemd-shared', why: 'the library that all programs of systemd share' },
  { name: 'udev', why: 'LAN: tells systemd-networkd of interfaces' },
  { name: 'nftables', why: 'LAN: loads the firewall' },
  { name: 'raspi-firmware', why: 'what the boot ROM of a Pi starts' },
  { name: 'busybox', why: 'initramfs: shell, mount, insmod, switch_root' },
  { name: 'dmsetup', why: 'initramfs: sets up verity' },
  { name: 'e2fsprogs', why: 'initramfs: makes and checks the data partition' },
  { name: 'libc6', why: 'library' },
  { name: 'libgcc-s1', why: 'library: node' },
  { name: 'libstdc++6', why: 'library: node' },
  { name: 'libatomic1', why: 'library: node' },
  { name: 'libacl1', why: 'library: systemd' },
  { name: 'libaudit1', why: 'library: systemd' },
  { name: 'libcap-ng0', why: 'library: libaudit' },
  { name: 'libapparmor1', why: 'library: systemd' },
  { name: 'libblkid1', why: 'library: systemd, e2fsprogs' },
  { name: 'libcap2', why: 'library: systemd' },
  { name: 'libcrypt1', why: 'library: systemd' },
  { name: 'libmount1', why: 'library: systemd' },
  { name: 'libpam0g', why: 'library: systemd-executor' },
  { name: 'libpcre2-8-0', why: 'library: libselinux' },
  { name: 'libseccomp2', why: 'library: systemd, for SystemCallFilter=' },
  { name: 'libselinux1', why: 'library: systemd, libdevmapper' },
  { name: 'libssl3t64', why: 'library: systemd' },
  { name: 'libudev1', why: 'library: libdevmapper, udev' },
  { name: 'libzstd1', why: 'library: libssl' },
  { name: 'zlib1g', why: 'library: libssl' },
  { name: 'libdevmapper1.02.1', why: 'library: dmsetup' },
  { name: 'libext2fs2t64', why: 'library: e2fsprogs' },
  { name: 'libcom-err2', why: 'library: e2fsprogs' },
  { name: 'libuuid1', why: 'library: e2fsprogs' },
  { name: 'libnftables1', why: 'library: nftables' },
  { name: 'libnftnl11', why: 'library: nftables' },
  { name: 'libmnl0', why: 'library: nftables' },
  { name: 'libgmp10', why: 'library: nftables' },
  { name: 'libjansson4', why: 'library: nftables' },
  { name: 'libedit2', why: 'library: nftables' },
  { name: 'libbsd0', why: 'library: libedit' },
  { name: 'libmd0', why: 'library: libbsd' },
  { name: 'libtinfo6', why: 'library: libedit' },
  { name: 'libxtables12', why: 'library: nftables' },
]

/** The package that names the newest kernel of a suite; its dependencies that are kernels or modules are locked. */
export const KERNEL = 'linux-image-arm64'
/** What of its dependencies is taken. */
export const KERNEL_PARTS = /^linux-(?:image|binary|modules|base)-\d.*-arm64$/

/** Where the packages are looked for. Of several the newest is taken, so that security updates win. */
export const SUITES: readonly {
  readonly archive: 'debian' | 'debian-security'
  readonly suite: string
  readonly components: readonly string[]
  readonly sets: readonly PackageSet[]
}[] = [
  {
    archive: 'debian',
    suite: 'trixie',
    components: ['main', 'non-free-firmware'],
    sets: ['base', 'kernel-stable'],
  },
  { archive: 'debian', suite: 'trixie-updates', components: ['main'], sets: ['base', 'kernel-stable'] },
  {
    archive: 'debian-security',
    suite: 'trixie-security',
    components: ['main'],
    sets: ['base', 'kernel-stable'],
  },
  { archive: 'debian', suite: 'trixie-backports', components: ['main'], sets: ['kernel-backports'] },
]
