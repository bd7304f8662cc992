/**
 * The browsers that were let in. Of their tokens only hashes are kept, in `page/browsers.json` below the enrolments: a folder of its own,
 * because each `.json` beside the enrolments is taken for one of them.
 */
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Browser } from './api.ts'
import { newToken, tokenHash } from './tokens.ts'

/** What is kept of one. */
interface Kept extends Omit<Browser, 'isThis'> {
  /** SHA-256 of its token, base64url. */
  hash: string
}

const ID_BYTES = 9
/** The one that was not seen for the longest goes. */
const MOST = 100
/** How far `seen` on the disk may lag behind, ms. */
const LAG_MS = 600_000

/** All of them. */
export class Browsers {
  readonly #path: string
  readonly #byHash: Map<string, Kept>
  readonly #watches = new Set<{ id: string; callback: () => void }>()
  #written: Promise<void> = Promise.resolve()

  private constructor(path: string, kept: Kept[]) {
    this.#path = path
    this.#byHash = new Map(kept.map(one => [one.hash, one]))
  }

  /**
   * @param directory - of the enrolments
   * @param tell - hears that the file cannot be read; then nobody is let in
   */
  static async open(directory: string, tell: (line: string) => void): Promise<Browsers> {
    const path = join(directory, 'page', 'browsers.json')
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') tell(`${path} cannot be read: ${error.code}`)
      return null
    })
    const kept = text === null ? [] : parseBrowsers(text)
    if (kept === null) tell(`${path} is damaged: every browser has to be let in again with claviger page`)
    return new Browsers(path, kept ?? [])
  }

  /** Lets one in. @returns its token */
  async add(kind: Browser['kind'], from: string | null): Promise<string> {
    const token = newToken()
    const now = new Date().toISOString()
    const hash = tokenHash(token)
    if (this.#byHash.size >= MOST) {
      const [oldest] = [...this.#byHash.values()].sort((a, b) => (a.seen < b.seen ? -1 : 1))
      this.#byHash.delete(oldest!.hash)
    }
    this.#byHash.set(hash, { id: newToken(ID_BYTES), kind, from, since: now, seen: now, hash })
    await this.#write()
    return token
  }

  /** Whose token it is; `null` for nobody's. */
  find(token: string): Browser | null {
    const kept = this.#byHash.get(tokenHash(token))
    if (!kept) return null
    const now = new Date()
    const lag = now.getTime() - Date.parse(kept.seen)
    kept.seen = now.toISOString()
    if (lag > LAG_MS) void this.#write().catch(() => {})
    return shown(kept, kept.id)
  }

  /** @param asking - id of the one that asks */
  list(asking: string): Browser[] {
    return [...this.#byHash.values()].map(kept => shown(kept, asking))
  }

  /** Calls back once, when it is forgotten. @returns what takes that back */
  whenForgotten(id: string, callback: () => void): () => void {
    const watch = { id, callback }
    this.#watches.add(watch)
    return () => this.#watches.delete(watch)
  }

  /** @returns whether there was one */
  async forget(id: string): Promise<boolean> {
    const kept = [...this.#byHash.values()].find(one => one.id === id)
    if (!kept) return false
    this.#byHash.delete(kept.hash)
    for (const watch of this.#watches) if (watch.id === id) watch.callback()
    await this.#write()
    return true
  }

  /** One write after the other, each of what is so then. */
  #write(): Promise<void> {
    this.#written = this.#written.catch(() => {}).then(() => this.#replace())
    return this.#written
  }

  async #replace(): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 })
    const file = await open(`${this.#path}.new`, 'w', 0o600)
    try {
      await file.writeFile(`${JSON.stringify([...this.#byHash.values()], null, 2)}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(`${this.#path}.new`, this.#path)
  }
}

function shown({ id, kind, from, since, seen }: Kept, asking: string): Browser {
  return { id, kind, from, since, seen, isThis: id === asking }
}

/** @returns `null` for what is not such a file, in whole */
export function parseBrowsers(text: string): Kept[] | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  return Array.isArray(value) && value.length <= MOST && value.every(isKept) ? value : null
}

function isKept(value: unknown): value is Kept {
  if (typeof value !== 'object' || value === null) return false
  const { id, kind, from, since, seen, hash } = value as Record<string, unknown>
  const isTime = (time: unknown) => typeof time === 'string' && !Number.isNaN(Date.parse(time))
  return (
    typeof id === 'string' &&
    ((kind === 'page' && from === null) || (kind === 'frame' && typeof from === 'string')) &&
    isTime(since) &&
    isTime(seen) &&
    typeof hash === 'string' &&
    /^[A-Za-z0-9_-]{43}$/.test(hash)
  )
}
