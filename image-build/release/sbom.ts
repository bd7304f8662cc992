/** What an image is made of, for whoever looks for known holes: CycloneDX 1.6, JSON. */
import { createHash } from 'node:crypto'
import type { NpmPackage } from '../fetch/npm.ts'
import type { LockedPackage } from '../lock/lock-file.ts'

/** What is described. */
export interface SbomParts {
  readonly name: string
  readonly version: string
  /** Seconds since 1970. */
  readonly date: number
  /** Those of which something is in the image. */
  readonly debian: readonly LockedPackage[]
  readonly npm: readonly NpmPackage[]
}

/** The document; the same parts give the same text. */
export function sbom({ name, version, date, debian, npm }: SbomParts): string {
  const purl = (text: string) => encodeURIComponent(text).replaceAll('%3A', ':')
  const components = [
    ...debian.map(one => ({
      type: 'library',
      'bom-ref': `deb:${one.name}`,
      name: one.name,
      version: one.version,
      purl: `pkg:deb/debian/${purl(one.name)}@${purl(one.version)}?arch=arm64&distro=debian-13`,
      hashes: [{ alg: 'SHA-256', content: one.sha256 }],
    })),
    ...npm.map(one => ({
      type: 'library',
      'bom-ref': `npm:${one.name}@${one.version}`,
      name: one.name,
      version: one.version,
      purl: `pkg:npm/${one.name.split('/').map(encodeURIComponent).join('/')}@${purl(one.version)}`,
      hashes: [{ alg: 'SHA-512', content: one.digest.hex }],
      ...(one.license && { licenses: [{ license: { name: one.license } }] }),
    })),
  ]
  const seed = createHash('sha256')
    .update(JSON.stringify([name, version, components]))
    .digest('hex')
  const document = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuidOf(seed)}`,
    version: 1,
    metadata: {
      timestamp: new Date(date * 1000).toISOString(),
      component: { type: 'operating-system', 'bom-ref': 'image', name, version },
    },
    components,
  }
  return `${JSON.stringify(document, null, 2)}\n`
}

/** A UUID made from a hash (version 8, RFC 9562 §5.8). */
function uuidOf(hex: string): string {
  const text = `${hex.slice(0, 12)}8${hex.slice(13, 16)}8${hex.slice(17, 32)}`
  return [text.slice(0, 8), text.slice(8, 12), text.slice(12, 16), text.slice(16, 20), text.slice(20)].join(
    '-',
  )
}
