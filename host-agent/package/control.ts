/** What dpkg is told about the package. Debian policy, chapters 5 and 6. */
import type { Machine } from '../../image-build/tree/elf.ts'

/**
 * What the Node binary and the native modules are linked with, in the oldest versions that have the symbols they ask for, as `objdump -T`
 * tells of those for amd64. libudev is not among them: `usb` hears the kernel and udevd over a socket.
 */
const DEPENDS = 'libc6 (>= 2.28), libgcc-s1 (>= 3.4), libstdc++6 (>= 7)'
/** A machine that reaches its device over the LAN works without. */
const RECOMMENDS = 'udev'

/** Nobody reads there: the project has no address of its own yet (RFC 2606). */
const MAINTAINER = 'Claviger maintainers <maintainers@claviger.invalid>'

export function controlFields(version: string, architecture: Machine): [name: string, value: string][] {
  return [
    ['Package', 'claviger'],
    ['Version', version],
    ['Architecture', architecture],
    ['Maintainer', MAINTAINER],
    ['Section', 'utils'],
    ['Priority', 'optional'],
    ['Depends', DEPENDS],
    ['Recommends', RECOMMENDS],
    [
      'Description',
      `host agent of Claviger, keeper of a web shop's key
 A web shop seals card numbers and addresses with a public key; the private key
 is in a small device that the shop cannot reach. This package is for the
 machines of the shop's staff: it finds the device on USB or on the LAN,
 unlocks it, and opens single fields for a purpose.
 .
 It brings a Node.js of its own.`,
    ],
  ]
}

/** A running udevd reads the rule, or forgets it. */
const RELOAD = `if [ -S /run/udev/control ] && command -v udevadm >/dev/null; then
    udevadm control --reload || true
fi
`

/**
 * Scripts of the maintainer. The unit belongs to users: none is started, stopped or enabled. What root enabled for all of them is a link
 * in /etc, and goes with the rest of what belongs to root when the package is purged.
 */
export const SCRIPTS: Readonly<Record<string, string>> = {
  postinst: `#!/bin/sh
set -e
if [ "$1" = configure ]; then
${indent(RELOAD)}fi
`,
  postrm: `#!/bin/sh
set -e
if [ "$1" = remove ]; then
${indent(RELOAD)}fi
if [ "$1" = purge ]; then
    rm -f /etc/systemd/user/default.target.wants/claviger-agent.service
fi
`,
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '    ')
}

/** Debian's changelog, of the newest part of ours. Debian policy, 4.4. */
export function debianChangelog(changelog: string, version: string, time: number): string {
  const [, newest = ''] = /^## [^\n]*\n+([\s\S]*?)(?=\n## |$(?![\s\S]))/m.exec(changelog) ?? []
  const lines = newest.trim().replace(/^/gm, '  ').replace(/^ +$/gm, '')
  const date = new Date(time * 1000).toUTCString().replace('GMT', '+0000')
  return `claviger (${version}) unstable; urgency=medium\n\n${lines || '  * See the documentation.'}\n\n -- ${MAINTAINER}  ${date}\n`
}
