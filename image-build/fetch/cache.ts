/** Downloads by their hash, below the user's cache directory: XDG base directory specification. */
import { createHash, randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'

/** The directory for this user; made when something is put there. */
export function cacheDirectory(env: NodeJS.ProcessEnv): string {
  const { CLAVIGER_IMAGE_CACHE: own, XDG_CACHE_HOME: xdg } = env
  // a relative one is to be ignored (XDG base directory specification)
  return own || join(xdg?.startsWith('/') ? xdg : join(homedir(), '.cache'), 'claviger', 'image')
}

/** A hash that names what is kept. */
export interface Digest {
  readonly algorithm: 'sha256' | 'sha512'
  /** Lower-case hexadecimal. */
  readonly hex: string
}

export function matches({ algorithm, hex }: Digest, bytes: Uint8Array): boolean {
  return createHash(algorithm).update(bytes).digest('hex') === hex
}

/** The cache. What is read from it is checked again, so that a bad disk cannot get into an image. */
export class Cache {
  readonly directory: string

  constructor(directory: string) {
    this.directory = directory
  }

  path({ algorithm, hex }: Digest): string {
    return join(this.directory, algorithm, hex.slice(0, 2), hex)
  }

  /** @returns the bytes, or `null` where they are not there or not what they were */
  async get(digest: Digest): Promise<Buffer | null> {
    const bytes = await readFile(this.path(digest)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null
      throw error
    })
    return bytes && matches(digest, bytes) ? bytes : null
  }

  /** Keeps bytes that match. */
  async put(digest: Digest, bytes: Uint8Array): Promise<void> {
    const path = this.path(digest)
    const draft = `${path}.${randomUUID()}`
    await mkdir(dirname(path), { recursive: true })
    try {
      await writeFile(draft, bytes)
      await rename(draft, path)
    } finally {
      await rm(draft, { force: true })
    }
  }
}
