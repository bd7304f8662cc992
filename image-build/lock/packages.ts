/** A `Packages` index: what a suite offers, and the SHA-256 of each archive. Debian wiki, RepositoryFormat. */
import { ImageError } from '../errors.ts'
import { parseDeb822, required, type Stanza } from './deb822.ts'
import { compareVersions } from './versions.ts'

/** One version of one package. */
export interface Offer {
  readonly name: string
  readonly version: string
  /** Where the archive is, from the top of the mirror. */
  readonly path: string
  readonly sha256: string
  /** Of the archive, bytes. */
  readonly size: number
  /** Names of what it depends on, the first of each choice. */
  readonly depends: readonly string[]
}

const NAME = /^[a-z0-9][a-z0-9+.-]+$/
const PATH = /^pool\/(?:[A-Za-z0-9][A-Za-z0-9+.~_:-]*\/)+[A-Za-z0-9][A-Za-z0-9+.~_:%-]*\.deb$/

/**
 * The packages of an index that are asked for; others are not even looked at.
 *
 * @throws ImageError where a package that was asked for is not described as it has to be
 */
export function parsePackages(text: string, wanted: (name: string) => boolean): Offer[] {
  return text.split(/\n{2,}/).flatMap(block => {
    const name = /^Package: (.*)$/m.exec(block)?.[1]
    return name === undefined || !wanted(name) ? [] : parseDeb822(block).map(readOffer)
  })
}

/** The newest offer of a package. */
export function newest(offers: readonly Offer[], name: string): Offer | null {
  const found = offers.filter(offer => offer.name === name)
  found.sort((a, b) => compareVersions(b.version, a.version))
  return found[0] ?? null
}

function readOffer(stanza: Stanza): Offer {
  const name = required(stanza, 'package')
  const path = required(stanza, 'filename')
  const sha256 = required(stanza, 'sha256')
  const size = required(stanza, 'size')
  const refuse = (what: string): never => {
    throw new ImageError(`Packages: ${name}: ${what}`)
  }
  if (!NAME.test(name)) refuse('not a name')
  if (!PATH.test(path) || path.includes('..')) refuse(`not a path in the pool: ${path}`)
  if (!/^[0-9a-f]{64}$/.test(sha256)) refuse('not a SHA-256')
  if (!/^[1-9]\d{0,9}$/.test(size)) refuse('not a size')
  const fields = [stanza.get('pre-depends'), stanza.get('depends')]
  const depends = fields.flatMap(field =>
    (field ?? '').split(',').flatMap(each => /^[^ |(:]+/.exec(each.trim())?.[0] ?? []),
  )
  return { name, version: required(stanza, 'version'), path, sha256, size: Number(size), depends }
}
