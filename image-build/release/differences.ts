/** Where two builds differ, by file: what `image verify-build` tells. */
import type { Manifest, ManifestFile } from './manifest.ts'

/** A line for each file that is not the same in both; then for each region that is not, if no file is to blame. */
export function differences(a: Manifest, b: Manifest): string[] {
  const [left, right] = [byPath(a), byPath(b)]
  const paths = [...new Set([...left.keys(), ...right.keys()])].sort()
  const lines = paths.flatMap(path => {
    const [one, other] = [left.get(path), right.get(path)]
    if (!one || !other) return [`${path}: only in the ${one ? 'first' : 'second'} build`]
    const fields = Object.keys({ ...one, ...other }) as (keyof ManifestFile)[]
    return fields.flatMap(field =>
      one[field] === other[field] ? [] : [`${path}: ${field} is ${one[field]} and ${other[field]}`],
    )
  })
  const regions = a.regions.flatMap((region, i) => {
    const other = b.regions[i]
    return region.sha256 === other?.sha256 && region.size === other.size
      ? []
      : [`region ${region.name}: ${region.sha256} and ${other?.sha256}`]
  })
  const rest = (['rootHash', 'image', 'kernel', 'date'] as const).flatMap(key =>
    a[key] === b[key] ? [] : [`${key}: ${a[key]} and ${b[key]}`],
  )
  return [...lines, ...regions, ...rest]
}

function byPath({ files }: Manifest): Map<string, ManifestFile> {
  return new Map(files.map(file => [file.path, file]))
}
