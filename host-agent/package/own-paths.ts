/**
 * Where our files are in the package. In the sources they find each other by `import.meta.url`; bundled, none of them is where
 * it was, so that each such path has to be named here. One that is not is an error of the build, not of a user's day.
 */
import { posix } from 'node:path'
import { ImageError } from '../../image-build/errors.ts'

/** The folder of the scripts in the package, from the root. */
export const HOME = 'usr/lib/claviger'

/** From the folder of the scripts, by the path in the repository. */
const PLACES: Readonly<Record<string, string>> = {
  'appliance/main.ts': 'appliance.mjs',
  'appliance/keeper/main.ts': 'appliance-keeper.mjs',
  'appliance/gate/main.ts': 'appliance-gate.mjs',
  'appliance/health/main.ts': 'appliance-health.mjs',
  'appliance/network/firewall-command.ts': 'appliance-firewall.mjs',
  'host-agent/seal/claviger_seal.php': 'seal/claviger_seal.php',
  'host-agent/agent/page/web/': 'page/',
  'host-agent/field/claviger-field.ts': 'field/claviger-field.js',
  'host-agent/cli/main.ts': 'claviger.mjs',
  // not in the package: the commands that look for it say so
  'docs/examples/shop/': 'examples/shop/',
  'image-build/main.ts': 'image-build/main.ts',
  // nobody may write there, so nothing compiled is kept: a person's program writes to that person's folders only
  'node_modules/.cache/claviger': 'compiled',
  // what writes docs/openapi.json is not run
  'docs/openapi.json': 'openapi.json',
}

/** A relative path in quotes that is not what an import names. */
const RELATIVE = /(?<!\bfrom |\bimport |\bimport\()'(\.{1,2}\/[^'\n]+)'/g

/**
 * The text of a source file with its own paths as they are in the package.
 *
 * @param path of the file in the repository
 * @throws ImageError where it names one that has no place
 */
export function movePaths(path: string, text: string): string {
  if (!text.includes('import.meta.url')) return text
  return text.replace(RELATIVE, (_, relative: string) => {
    const named = posix.join(posix.dirname(path), relative)
    const place = PLACES[named]
    if (place === undefined)
      throw new ImageError(`${path} looks for ${named}, which has no place in the package`, {
        hint: 'name it in host-agent/package/own-paths.ts',
      })
    return `'/${HOME}/${place}'`
  })
}
