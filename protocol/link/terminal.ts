/**
 * A terminal's descriptor as a Duplex, made with Node's own `tty.ReadStream`, which is passed in. docs/formats/link.md §7.
 *
 * libuv waits for a terminal as it does for a socket, without its thread pool, keeps what does not fit, and ends the
 * stream at a hang-up.
 */

import type { Duplex } from 'node:stream'

/** Node's `tty.ReadStream`, as far as it is used. */
export type TerminalClass = new (fd: number, options: object) => Duplex

const OPTIONS = { writableHighWaterMark: 65_536 }

/**
 * Makes a stream of a terminal that is raw already.
 *
 * @param fd - stays the caller's, also after an error: libuv opens the terminal once more for itself
 * @returns `null` where libuv cannot do that, since it would then write with blocking calls to an end that may not read; `fd`
 *   is closed in that case
 * @throws Node's `ERR_TTY_INIT_FAILED` for what is no terminal, or one that has just hung up
 */
export function terminalStream(Terminal: TerminalClass, fd: number): Duplex | null {
  const stream = new Terminal(fd, OPTIONS)
  stream.on('error', () => {})
  const { _handle } = stream as Duplex & { _handle?: { fd?: number } }
  if (_handle?.fd !== fd) return stream
  stream.destroy()
  return null
}

/** For who gets `null` from {@link terminalStream}. */
export const NOT_TWICE = 'the terminal cannot be opened a second time'

/** Closes a stream, if it is not closed, and waits for that. */
export function destroyed(stream: Duplex): Promise<void> {
  return new Promise(resolve => {
    if (stream.closed) resolve()
    else stream.once('close', () => resolve()).destroy()
  })
}
