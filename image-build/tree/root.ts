/** The root file system as a tree: what is kept of the packages, and what their scripts or an installer would have written. */
import { readdir, readFile } from 'node:fs/promises'
import type { Mode } from '../model.ts'
import { group, passwd, shadow } from './accounts.ts'
import { addLibraries, keep, type Packages } from './collect.ts'
import { rootList, wantedUnits } from './lists.ts'
import { stripPrograms } from './strip.ts'
import { Tree } from './tree.ts'

/** What a root is made of. */
export interface RootParts {
  readonly packages: Packages
  /** `bin/node` for arm64, and the package that it is from. */
  readonly node: Uint8Array
  readonly nodePackage: string
  /** Bundled scripts by name, without `.mjs`. */
  readonly scripts: ReadonlyMap<string, Uint8Array>
  /** The native module that makes a terminal raw; a dongle's. */
  readonly serialport: Uint8Array | null
  readonly mode: Mode
  readonly version: string
}

const EMPTY = [
  'data',
  'dev',
  'proc',
  'run',
  'sys',
  'tmp',
  'root',
  'var/tmp',
  'var/log',
  'var/lib',
  'usr/share',
  'boot',
]
/** Scripts of each mode, beside the three processes. */
const SCRIPTS: Record<Mode, readonly string[]> = { dongle: ['gadget'], lan: ['network'] }
const PROCESSES = ['keeper', 'gate', 'health']
/** Our files. */
const LIB = 'usr/lib/claviger'
const UNITS = 'usr/lib/systemd/system'

export async function rootTree(parts: RootParts): Promise<Tree> {
  const { packages, mode, version } = parts
  const tree = new Tree()
  for (const place of EMPTY) tree.directory(place)
  for (const place of ['bin', 'sbin', 'lib']) {
    tree.directory(`usr/${place}`)
    tree.link(place, `usr/${place}`)
  }
  tree.link('var/run', '../run')
  keep(tree, packages, rootList(mode))
  tree.file('usr/bin/node', parts.node, { mode: 0o755, from: parts.nodePackage })
  for (const name of [...PROCESSES, ...SCRIPTS[mode]])
    tree.file(`${LIB}/${name}.mjs`, parts.scripts.get(name)!)
  if (mode === 'dongle' && parts.serialport)
    tree.file(`${LIB}/serialport.node`, parts.serialport, { from: '@serialport/bindings-cpp' })
  addLibraries(tree, packages)
  etc(tree, version)
  await units(tree, mode)
  return stripPrograms(tree)
}

function etc(tree: Tree, version: string): void {
  tree.file('etc/passwd', passwd())
  tree.file('etc/group', group())
  tree.file('etc/shadow', shadow(), { mode: 0o600 })
  tree.file('etc/nsswitch.conf', 'passwd: files\ngroup: files\nshadow: files\nhosts: files\n')
  tree.file('etc/hosts', '127.0.0.1 localhost\n::1 localhost\n')
  tree.file('etc/hostname', 'claviger\n')
  tree.file('etc/fstab', '')
  // Empty: systemd makes one up for this start, and writes it nowhere.
  tree.file('etc/machine-id', '', { mode: 0o444 })
  const release = {
    NAME: 'Claviger',
    ID: 'claviger',
    ID_LIKE: 'debian',
    VERSION_ID: version,
    PRETTY_NAME: `Claviger ${version}`,
  }
  const lines = Object.entries(release).map(([key, value]) => `${key}="${value}"\n`)
  tree.file('usr/lib/os-release', lines.join(''))
  tree.link('etc/os-release', '../usr/lib/os-release')
}

async function units(tree: Tree, mode: Mode): Promise<void> {
  const place = new URL('../system/', import.meta.url)
  const read = (path: string) => readFile(new URL(path, place))
  for (const name of (await readdir(new URL('units/', place))).sort())
    tree.file(`${UNITS}/${name}`, await read(`units/${name}`))
  for (const name of (await readdir(new URL(`${mode}/`, place))).sort())
    if (/\.(?:service|target|socket)$/.test(name))
      tree.file(`${UNITS}/${name}`, await read(`${mode}/${name}`))
  tree.file(`${UNITS}/claviger-gate.service.d/wire.conf`, await read(`${mode}/gate.conf`))
  if (mode === 'dongle') tree.file(`${LIB}/line.conf`, await read('dongle/line.conf'))
  tree.file('etc/systemd/system.conf', await read('etc/system.conf'))
  tree.file('etc/systemd/journald.conf', await read('etc/journald.conf'))
  tree.link('etc/systemd/system/default.target', `/${UNITS}/claviger.target`)
  for (const [target, names] of Object.entries(wantedUnits(mode)))
    for (const name of names) tree.link(`etc/systemd/system/${target}.wants/${name}`, `/${UNITS}/${name}`)
}
