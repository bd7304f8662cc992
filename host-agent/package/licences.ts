/** The file `copyright`: under which terms each part of the package is. Debian policy, 12.5. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { NpmPackage } from '../../image-build/fetch/npm.ts'

/** A package and the text that came with it; `null` where none did. */
export interface Licensed extends Pick<NpmPackage, 'name' | 'version' | 'license'> {
  readonly text: string | null
}

const NAMES = /^(?:licen[cs]e|copying)(?:[.-](?:md|txt|mit))?$/i

/** @param directory of an installed npm package */
export async function readLicence(directory: string, one: NpmPackage): Promise<Licensed> {
  const name = (await readdir(directory)).sort().find(file => NAMES.test(file))
  return { ...one, text: name === undefined ? null : await readFile(join(directory, name), 'utf8') }
}

/** The file `copyright` of the Debian package. */
export function copyright(parts: readonly Licensed[]): string {
  return [
    OURS,
    `The scripts and native modules below /usr/lib/claviger hold code of the packages that follow, and node is Node.js.\n`,
    ...licenceTexts(parts),
  ].join(RULE)
}

/** What the packages are under, each after the other. */
export function licences(parts: readonly Licensed[]): string {
  return licenceTexts(parts).join(RULE)
}

const RULE = `\n${'-'.repeat(79)}\n\n`

/** The same text of several packages is there once. */
function licenceTexts(parts: readonly Licensed[]): string[] {
  const byText = Map.groupBy(
    parts.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    ({ text, name, version }) =>
      text?.trim() ?? `${name} ${version} names its licence and brings no text of it.`,
  )
  return [...byText].map(
    ([text, members]) =>
      `${members.map(({ name, version, license }) => `${name} ${version}: ${license ?? 'see below'}`).join('\n')}\n\n${text}\n`,
  )
}

const OURS = `Claviger is Copyright the Claviger maintainers.

Licensed under the Apache License, Version 2.0: on Debian systems its text is in
/usr/share/common-licenses/Apache-2.0.
`
