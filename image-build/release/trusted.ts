/** A manifest that somebody vouches for: read, its signature checked first. */
import { readFile } from 'node:fs/promises'
import { ImageError } from '../errors.ts'
import { type Manifest, parseManifest } from './manifest.ts'
import { isSigned } from './signature.ts'

/** Who vouches: a public key in a file, or nobody because the person said so. */
export interface Trust {
  readonly key?: string | undefined
  readonly unsigned: boolean
}

/** @throws ImageError where the signature does not hold, there is none, or no key was named */
export async function readTrustedManifest(path: string, { key, unsigned }: Trust): Promise<Manifest> {
  const text = await readText(path, 'name the manifest of the release with --manifest')
  if (key) {
    const signature = await readText(`${path}.sig`, 'it comes with a signed release, beside the manifest')
    if (!isSigned(text, signature, await readText(key, 'name the public key of the release with --key')))
      throw new ImageError('the signature of the manifest does not hold', {
        hint: 'this is not the release of that key; nothing was compared or written',
      })
  } else if (!unsigned)
    throw new ImageError('name the public key of the release with --key', {
      hint: 'say --unsigned to go by a manifest that nobody vouches for',
    })
  try {
    return parseManifest(text)
  } catch (cause) {
    throw new ImageError(`${path} is not the manifest of an image`, { cause })
  }
}

async function readText(path: string, hint: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new ImageError(`${path} cannot be read: ${error.code}`, { cause: error, hint })
  })
}
