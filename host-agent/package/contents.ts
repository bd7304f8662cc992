/** Every file of the package: what goes where. docs/install.md says it to an administrator. */
import { readdir, readFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { type Machine, stripElf } from '../../image-build/tree/elf.ts'
import { Tree } from '../../image-build/tree/tree.ts'
import type { Command } from '../cli/command.ts'
import { SHELLS } from '../cli/completion/shells.ts'
import { placesOf } from '../cli/completion/words.ts'
import { UDEV_RULE_NAME } from '../integration/udev.ts'
import { type Bundle, NATIVE, PROGRAMS, ROOT } from './bundle.ts'
import { debianChangelog } from './control.ts'
import { copyright, type Licensed } from './licences.ts'
import { manualPages } from './man.ts'
import { HOME } from './own-paths.ts'

/** What the tree is made of. */
export interface Parts {
  readonly version: string
  readonly architecture: Machine
  /** Seconds since 1970. */
  readonly time: number
  readonly commands: ReadonlyMap<string, Command>
  readonly bundle: Bundle
  /** The page's files as the browser gets them, by path. */
  readonly page: ReadonlyMap<string, Uint8Array>
  /** The library's files by path. */
  readonly library: ReadonlyMap<string, Uint8Array | string>
  readonly node: Uint8Array
  /** The native modules, by the names of {@link NATIVE}. */
  readonly native: Readonly<Record<keyof typeof NATIVE, Uint8Array>>
  readonly licences: readonly Licensed[]
}

/** Where the completion of each shell belongs. */
const COMPLETION: Readonly<Record<string, string>> = {
  bash: 'usr/share/bash-completion/completions/claviger',
  zsh: 'usr/share/zsh/vendor-completions/_claviger',
  fish: 'usr/share/fish/vendor_completions.d/claviger.fish',
}
const DOC = 'usr/share/doc/claviger'
const SEAL = ['claviger_seal.php', 'claviger_seal.py']

export async function packageTree(parts: Parts): Promise<Tree> {
  const tree = new Tree()
  const ours = (path: string) => readFile(join(ROOT, path))
  addPrograms(tree, parts)
  tree.file(`${HOME}/age-plugin-claviger.pl`, await ours('host-agent/plugins/age/age-plugin-claviger.pl'), {
    mode: 0o755,
  })
  for (const name of SEAL) tree.file(`${HOME}/seal/${name}`, await ours(`host-agent/seal/${name}`))
  const field = (await ours('host-agent/field/claviger-field.ts')).toString('utf8')
  tree.file(`${HOME}/field/claviger-field.js`, stripTypeScriptTypes(field))

  const integration = (name: string) => ours(`host-agent/integration/${name}`)
  tree.file(`usr/lib/udev/rules.d/${UDEV_RULE_NAME}`, await integration(UDEV_RULE_NAME))
  const unit = (await integration('claviger-agent.service')).toString('utf8')
  tree.file('usr/lib/systemd/user/claviger-agent.service', installedUnit(unit))
  tree.file('usr/share/applications/claviger.desktop', await integration('claviger.desktop'))
  tree.file('usr/share/icons/hicolor/scalable/apps/claviger.svg', await integration('claviger.svg'))

  const places = placesOf(parts.commands)
  for (const [shell, path] of Object.entries(COMPLETION)) tree.file(path, SHELLS[shell]!(places))
  await addDocuments(tree, parts)
  return tree
}

function addPrograms(tree: Tree, { architecture, bundle, page, library, node, native }: Parts): void {
  tree.file(`${HOME}/node`, stripElf(node, architecture), { mode: 0o755 })
  for (const [name, path] of Object.entries(NATIVE))
    tree.file(`${HOME}/${path}`, stripElf(native[name as keyof typeof NATIVE], architecture))
  for (const [path, bytes] of bundle.scripts)
    tree.file(`${HOME}/${path}`, bytes, isProgram(path) ? { mode: 0o755 } : {})
  for (const [path, bytes] of page) tree.file(`${HOME}/page/${path}`, bytes)
  for (const [path, content] of library) tree.file(`${HOME}/library/${path}`, content)
  tree.link('usr/bin/claviger', '../lib/claviger/claviger.mjs')
  // It starts the program of the same name where no agent runs.
  tree.link('usr/bin/age-plugin-claviger', '../lib/claviger/age-plugin-claviger.pl')
}

function isProgram(path: string): boolean {
  return Object.keys(PROGRAMS).some(name => path === `${name}.mjs`)
}

/** A package knows where its program is, so that no other one in somebody's path is started. */
function installedUnit(unit: string): string {
  return unit.replace(/^ExecStart=\/usr\/bin\/env claviger /m, 'ExecStart=/usr/bin/claviger ')
}

async function addDocuments(tree: Tree, { version, time, commands, licences }: Parts): Promise<void> {
  const day = new Date(time * 1000).toISOString().slice(0, 10)
  for (const [name, text] of manualPages(commands, { version, day }))
    tree.file(`usr/share/man/man1/${name}.gz`, gzipSync(text, { level: 9 }))
  const changelog = debianChangelog(await readFile(join(ROOT, 'CHANGELOG.md'), 'utf8'), version, time)
  tree.file(`${DOC}/changelog.gz`, gzipSync(changelog, { level: 9 }))
  tree.file(`${DOC}/copyright`, copyright(licences))
  for (const name of ['README.md', 'SECURITY.md'])
    tree.file(`${DOC}/${name}`, await readFile(join(ROOT, name)))
  const found = await readdir(join(ROOT, 'docs'), { recursive: true })
  for (const name of found.filter(name => /\.(?:md|json)$/.test(name)).sort())
    tree.file(`${DOC}/docs/${name}`, await readFile(join(ROOT, 'docs', name)))
}
