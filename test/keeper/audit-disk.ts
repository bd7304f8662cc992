/**
 * A disk in memory for the audit log's tests, with the two promises a real one makes and no other: a sync of a file makes
 * its content durable, a sync of the directory makes its names durable. A power cut may lose or keep everything else.
 */

import type { LogFile, LogFiles } from '../../appliance/keeper/audit/files.ts'

interface Inode {
  content: Buffer
  /** what a power cut cannot take */
  durable: Buffer
  /** open descriptors, so that leaks are seen */
  open: number
}

/** What goes wrong, and when. */
export interface Fault {
  /** The operation with this number, counted from 0, is the last one: the process is dead from there on. */
  crashAt?: number
  /** Bytes that the disk still takes; the write that would exceed them is cut short, the next ones throw `ENOSPC`. */
  space?: number
  /** Syncs of files with these numbers, counted from 0, fail with `EIO`. */
  failingSyncs?: (number: number) => boolean
  /** Syncs of the directory fail with `EIO`. */
  failingDirectory?: boolean
  /** Truncating fails with `EIO`. */
  failingTruncate?: boolean
}

export class Disk {
  names = new Map<string, Inode>()
  durableNames = new Map<string, Inode>()
  fault: Fault = {}
  operations: string[] = []
  syncs = 0
  /** Called before each sync of a file has an effect. */
  beforeSync: () => Promise<void> = async () => {}

  /** The bytes of a file, to look at and to damage. */
  file(name: string): Buffer {
    return this.names.get(name)!.content
  }

  put(name: string, content: Buffer): void {
    const inode = { content: Buffer.from(content), durable: Buffer.from(content), open: 0 }
    this.names.set(name, inode)
    this.durableNames.set(name, inode)
  }

  remove(name: string): void {
    this.names.delete(name)
    this.durableNames.delete(name)
  }

  get openFiles(): number {
    return [...this.names.values()].reduce((sum, { open }) => sum + open, 0)
  }

  copy(): Disk {
    return this.afterPowerCut(() => 1, true)
  }

  /**
   * The disk after the power came back.
   * @param share how much of what was appended without a sync survives, 0 to 1, asked for each file
   * @param keepsNames whether changes of names that were not synced survive
   */
  afterPowerCut(share: () => number, keepsNames: boolean): Disk {
    const disk = new Disk()
    const copies = new Map<Inode, Inode>()
    for (const [name, inode] of keepsNames ? this.names : this.durableNames) {
      const copy = copies.get(inode) ?? cut(inode, share())
      copies.set(inode, copy)
      disk.names.set(name, copy)
      disk.durableNames.set(name, copy)
    }
    return disk
  }

  /** The disk as a process sees it. */
  files(): LogFiles {
    return {
      list: () => this.#step('list', () => [...this.names.keys()]),
      open: (name, mode) =>
        this.#step(`open ${name} ${mode}`, () => {
          let inode = this.names.get(name)
          if (inode === undefined) {
            if (mode === 'read') throw errno('ENOENT')
            if (this.fault.space !== undefined && this.fault.space <= 0) throw errno('ENOSPC')
            inode = { content: Buffer.alloc(0), durable: Buffer.alloc(0), open: 0 }
            this.names.set(name, inode)
          } else if (mode === 'new') inode.content = Buffer.alloc(0)
          inode.open += 1
          return this.#file(name, inode)
        }),
      rename: (from, to) =>
        this.#step(`rename ${from}`, () => {
          const inode = this.names.get(from)
          if (inode === undefined) throw errno('ENOENT')
          this.names.set(to, inode)
          this.names.delete(from)
        }),
      unlink: name =>
        this.#step(`unlink ${name}`, () => {
          const inode = this.names.get(name)
          if (inode === undefined) throw errno('ENOENT')
          this.names.delete(name)
          if (this.fault.space !== undefined) this.fault.space += inode.content.length
        }),
      syncDirectory: async () =>
        this.#step('syncDirectory', () => {
          if (this.fault.failingDirectory) throw errno('EIO')
          this.durableNames = new Map(this.names)
        }),
    }
  }

  #file(name: string, inode: Inode): LogFile {
    return {
      stat: () => ({ size: inode.content.length, modified: 1 }),
      read: (into, position) => {
        const bytes = inode.content.subarray(position, position + into.length)
        into.set(bytes)
        return bytes.length
      },
      write: bytes =>
        this.#step(`write ${name}`, () => {
          const { space = Number.POSITIVE_INFINITY } = this.fault
          const taken = Math.min(bytes.length, space)
          if (taken === 0 && bytes.length > 0) throw errno('ENOSPC')
          if (this.fault.space !== undefined) this.fault.space -= taken
          inode.content = Buffer.concat([inode.content, bytes.subarray(0, taken)])
          return taken
        }),
      truncate: size =>
        this.#step(`truncate ${name}`, () => {
          if (this.fault.failingTruncate) throw errno('EIO')
          if (this.fault.space !== undefined) this.fault.space += inode.content.length - size
          inode.content = inode.content.subarray(0, size)
          inode.durable = inode.durable.subarray(0, size)
        }),
      sync: async () => {
        await this.beforeSync()
        this.#step(`sync ${name}`, () => {
          const number = this.syncs++
          if (this.fault.failingSyncs?.(number)) throw errno('EIO')
          inode.durable = inode.content
        })
      },
      close: () => {
        inode.open -= 1
      },
    }
  }

  #step<T>(name: string, act: () => T): T {
    const number = this.operations.push(name) - 1
    if (number >= (this.fault.crashAt ?? Number.POSITIVE_INFINITY)) throw errno('crash')
    return act()
  }
}

function cut({ content, durable }: Inode, share: number): Inode {
  const kept = durable.length + Math.round(Math.max(0, content.length - durable.length) * share)
  // What was not appended but replaced is either the one or the other.
  const isAppended = content.subarray(0, durable.length).equals(durable)
  const after = Buffer.from(isAppended ? content.subarray(0, kept) : share > 0.5 ? content : durable)
  return { content: after, durable: after, open: 0 }
}

function errno(code: string): Error {
  return Object.assign(new Error(code), { code })
}
