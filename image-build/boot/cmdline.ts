/** The kernel's command line. Linux, Documentation/admin-guide/kernel-parameters.txt. */

/** @param console of a development image, such as `ttyAMA0,115200`; a device has none */
export function cmdline(console: string | null = null): string {
  const words = [
    ...(console === null ? ['console=null', 'quiet', 'loglevel=0'] : [`console=${console}`]),
    'rdinit=/init',
    // what is loaded must be signed by Debian, and root itself may not read or change the kernel's memory
    'lockdown=confidentiality',
    'module.sig_enforce=1',
    'init_on_free=1',
    'slab_nomerge',
    'randomize_kstack_offset=on',
    'debugfs=off',
    'vsyscall=none',
    // a device that cannot go on starts again
    'panic=10',
    'oops=panic',
    // the log is the device's own, and short
    'audit=0',
    'systemd.show_status=0',
    'systemd.default_standard_output=journal',
  ]
  return words.join(' ')
}
