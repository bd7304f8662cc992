/** Where Debian's archives are fetched from: what the machine's own apt uses, unless somebody says another place. */
import { parseDeb822 } from './deb822.ts'
import type { Archive } from './lock-file.ts'

/** Address of each archive, without a slash at its end. */
export type Mirror = Readonly<Record<Archive, string>>

/** Debian's own, which finds a mirror nearby. Everything from it is verified, so that it needs no TLS. */
const HOST = 'deb.debian.org'

/**
 * @param sources contents of `/etc/apt/sources.list` and of the files in `sources.list.d`, each with its file's name
 * @param named an address that a person gave: the directory that holds `debian` and `debian-security`
 */
export function chooseMirror(sources: readonly { name: string; text: string }[], named?: string): Mirror {
  const base = (named ?? `http://${HOST}`).replace(/\/+$/, '')
  const uris = named === undefined ? sources.flatMap(urisOf) : []
  const address = (archive: Archive) => {
    const found = uris.find(uri => new RegExp(`/${archive}/?$`).test(uri))
    return (found ?? `${base}/${archive}`).replace(/\/+$/, '')
  }
  return { debian: address('debian'), 'debian-security': address('debian-security') }
}

/** HTTP addresses in one file, in either of apt's two formats: sources.list(5). */
function urisOf({ name, text }: { name: string; text: string }): string[] {
  const uris = name.endsWith('.sources')
    ? parseDeb822(text).flatMap(stanza => (stanza.get('uris') ?? '').split(/\s+/))
    : text.split('\n').flatMap(line => /^deb\s+(?:\[[^\]]*\]\s+)?(\S+)/.exec(line)?.[1] ?? [])
  return uris.filter(uri => /^https?:\/\//.test(uri))
}
