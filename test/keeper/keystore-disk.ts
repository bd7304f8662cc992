/**
 * A disk in memory for the keystore's tests, with the two promises a real one makes and no other: fsync of a file makes
 * its content durable, fsync of the directory makes its names durable. A power cut may lose or keep everything else.
 */

import type { LockOwner, ProcessTable } from '../../appliance/keeper/keystore/lock.ts'
import type { Storage } from '../../appliance/keeper/keystore/storage.ts'

interface Inode {
  content: Uint8Array
  /** what a power cut cannot take */
  durable: Uint8Array
}
type Names = Map<string, Inode>

/** What goes wrong at the operation with this number, counted from 0. */
export interface Fault {
  at: number
  /** `crash` ends this and every further operation; others are error codes, e.g. `ENOSPC`. */
  kind: 'crash' | 'ENOSPC' | 'EIO'
  /** How many bytes of a write arrive before the fault; none by default. */
  torn?: number
  /** Whether the operation is done although it answers an error. */
  done?: boolean
  /** How many operations in a row fail; 1 by default. Reading and removing still work on a full disk. */
  times?: number
}

export class Disk {
  names: Names = new Map()
  durableNames: Names = new Map()
  /** Changes of names since the last fsync of the directory. */
  pending: ((names: Names) => void)[] = []
  fault: Fault | undefined
  operations: string[] = []
  /** Called before each operation; lets a test interleave processes. */
  pause: () => Promise<void> = async () => {}

  /** The files as they are, e.g. to compare. */
  files(): Record<string, Uint8Array> {
    return Object.fromEntries([...this.names].map(([name, inode]) => [name, inode.content]))
  }

  put(name: string, content: Uint8Array): void {
    const inode = { content, durable: content }
    this.names.set(name, inode)
    this.durableNames.set(name, inode)
  }

  /** The same disk with no history and no fault. */
  copy(): Disk {
    return this.afterPowerCut(() => true, 1)
  }

  /**
   * The disk after the power came back.
   *
   * @param keeps decides for each change of names that was not fsynced whether it survives
   * @param share how much of a content that was not fsynced survives, 0 to 1
   */
  afterPowerCut(keeps: () => boolean, share: number): Disk {
    const names = new Map(this.durableNames)
    for (const change of this.pending) if (keeps()) change(names)
    const disk = new Disk()
    const copies = new Map<Inode, Inode>()
    for (const [name, inode] of names) {
      const { content, durable } = inode
      const kept = content.slice(0, durable.length + Math.round((content.length - durable.length) * share))
      const copy = copies.get(inode) ?? { content: kept, durable: kept }
      copies.set(inode, copy)
      disk.names.set(name, copy)
      disk.durableNames.set(name, copy)
    }
    return disk
  }

  /** The disk as a process sees it. */
  storage(): Storage {
    const run = async <T>(name: string, act: () => T, tear?: (bytes: number) => void): Promise<T> => {
      await this.pause()
      const number = this.operations.push(name) - 1
      const fault = this.fault
      if (fault === undefined || number < fault.at) return act()
      const { kind, torn, done, times = 1 } = fault
      if (kind === 'crash') {
        if (number === fault.at && torn !== undefined) tear?.(torn)
        throw new Error('crash')
      }
      if (number >= fault.at + times || (kind === 'ENOSPC' && !/^(writeNew|append|link)/.test(name)))
        return act()
      if (torn !== undefined) tear?.(torn)
      if (done) act()
      throw errno(kind, name)
    }
    const get = (name: string): Inode => {
      const inode = this.names.get(name)
      if (inode === undefined) throw errno('ENOENT', name)
      return inode
    }
    const change = (apply: (names: Names) => void) => {
      apply(this.names)
      this.pending.push(apply)
    }
    const create = (name: string, content: Uint8Array) => {
      if (this.names.has(name)) throw errno('EEXIST', name)
      const inode = { content: Uint8Array.from(content), durable: new Uint8Array() }
      change(names => names.set(name, inode))
    }
    const extend = (name: string, bytes: Uint8Array) => {
      if (!this.names.has(name)) create(name, new Uint8Array())
      const inode = get(name)
      inode.content = Uint8Array.from([...inode.content, ...bytes])
      return inode
    }
    return {
      list: () => run('list', () => [...this.names.keys()]),
      read: (name, maxBytes) =>
        run(`read ${name}`, () => {
          const { content } = get(name)
          if (content.length > maxBytes) throw errno('EFBIG', name)
          return content.slice()
        }),
      writeNew: (name, bytes) =>
        run(
          `writeNew ${name}`,
          () => create(name, bytes),
          torn => create(name, bytes.slice(0, torn)),
        ),
      syncFile: name =>
        run(`syncFile ${name}`, () => {
          get(name).durable = get(name).content
        }),
      syncDirectory: () =>
        run('syncDirectory', () => {
          this.durableNames = new Map(this.names)
          this.pending = []
        }),
      rename: (from, to) =>
        run(`rename ${from} ${to}`, () => {
          const inode = get(from)
          // rename(2): two names of one file both stay.
          if (this.names.get(to) === inode) return
          change(names => {
            names.set(to, inode)
            if (names.get(from) === inode) names.delete(from)
          })
        }),
      link: (from, to) =>
        run(`link ${from} ${to}`, () => {
          const inode = get(from)
          if (this.names.has(to)) throw errno('EEXIST', to)
          change(names => names.set(to, inode))
        }),
      unlink: name =>
        run(`unlink ${name}`, () => {
          get(name)
          change(names => names.delete(name))
        }),
      append: (name, bytes) =>
        run(
          `append ${name}`,
          () => {
            const inode = extend(name, bytes)
            inode.durable = inode.content
          },
          torn => extend(name, bytes.slice(0, torn)),
        ),
    }
  }
}

function errno(code: string, name: string): Error {
  return Object.assign(new Error(`${code}: ${name}`), { code })
}

/** A process of one boot; everything from another boot is dead. */
export function processOf(boot: string, pid = 1): ProcessTable {
  const self: LockOwner = { pid, start: '1', boot }
  return { self: async () => self, isAlive: async owner => owner.boot === boot }
}
