/** Bytes from a mirror. Whoever asks verifies them. */
import { ImageError } from '../errors.ts'

/** How an address is asked; `fetch` outside of tests. */
export type Ask = (address: string, options: { signal: AbortSignal }) => Promise<Response>

/** Silence after which a download is given up, ms. */
const SILENCE_MS = 30_000
const TRIES = 3

/** What a download is told. */
export interface DownloadOptions {
  readonly ask?: Ask
  /** No answer may be larger, bytes. */
  readonly limit: number
  /** Bytes so far. */
  readonly onProgress?: (bytes: number) => void
  /** The next step for the reader where there is no such file. */
  readonly hintWhenGone?: string
}

/** @throws ImageError where the mirror does not give it */
export async function download(address: string, options: DownloadOptions): Promise<Buffer> {
  for (let attempt = 1; ; attempt++)
    try {
      return await once(address, options)
    } catch (error) {
      if (error instanceof ImageError) throw error
      if (attempt === TRIES)
        throw new ImageError(`${address} cannot be fetched: ${reason(error)}`, {
          cause: error,
          hint: 'is the mirror reachable from here? name another one with --mirror',
        })
    }
}

async function once(
  address: string,
  { ask = fetch, limit, onProgress, hintWhenGone }: DownloadOptions,
): Promise<Buffer> {
  const silence = new AbortController()
  const give = () => silence.abort(new Error(`nothing for ${SILENCE_MS / 1000} s`))
  let timer = setTimeout(give, SILENCE_MS)
  try {
    const response = await ask(address, { signal: silence.signal })
    if (response.status === 404 || response.status === 410)
      throw new ImageError(`${address} is not there`, hintWhenGone ? { hint: hintWhenGone } : {})
    if (!response.ok || !response.body) throw new Error(`status ${response.status}`)
    const pieces: Uint8Array[] = []
    let length = 0
    for await (const piece of response.body as AsyncIterable<Uint8Array>) {
      clearTimeout(timer)
      timer = setTimeout(give, SILENCE_MS)
      length += piece.length
      if (length > limit) throw new ImageError(`${address} is larger than the ${limit} bytes it should have`)
      pieces.push(piece)
      onProgress?.(length)
    }
    return Buffer.concat(pieces)
  } finally {
    clearTimeout(timer)
  }
}

function reason(error: unknown): string {
  const { message, cause } = error as Error
  return cause instanceof Error ? cause.message || message : message
}
