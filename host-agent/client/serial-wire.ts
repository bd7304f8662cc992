/** The serial wire of a program that opens the port itself: one session of the link for each connection. */
import { HostLine } from './host-line.ts'
import type { Wire } from './wire.ts'

/** A line that this process holds, for all of its wires to the same path: a tty has one owner. */
interface Shared {
  line: HostLine
  users: number
}

const lines = new Map<string, Shared>()

/**
 * A serial wire. The line is opened with the first connection, and again whenever it went away.
 *
 * @param path - a tty, or `unix:/path` of a stream socket
 */
export function serialWire(path: string): Wire {
  let taken: Shared | undefined
  const take = (): Shared => {
    const shared = lines.get(path) ?? { line: new HostLine(path), users: 0 }
    lines.set(path, shared)
    shared.users++
    return shared
  }
  return {
    address: `serial:${path}`,
    open: () => {
      taken ??= take()
      return taken.line.open()
    },
    greeting: async () => taken?.line.greeting ?? null,
    close: async () => {
      const leaving = taken
      taken = undefined
      if (!leaving || --leaving.users > 0) return
      lines.delete(path)
      await leaving.line.close()
    },
  }
}
