/**
 * The exclusive lock of a keystore, without flock(2), which Node does not have
 * (docs/formats/keystore.md, "Exclusive lock").
 *
 * The lock is the file `<namespace>.lock.<n>` with the highest n. It holds its owner's pid, the start time of that
 * process and the boot id, so that a killed owner or a reused pid is told from a living one.
 *
 * Why two processes never hold it:
 * 1. A lock file appears complete and at most once at a time under its name, by link(2).
 * 2. The highest number never falls: a process removes a file only while it sees a higher one, and releasing changes
 *    the content of the file, not its name.
 * 3. Number n + 1 is made only by a process that saw n as the highest, with a dead owner or released. So while the
 *    owner of the highest is alive nobody makes a higher one.
 * 4. A slow process may make a number again that others have used and removed. By 2 a higher one exists then, the
 *    second listing shows it, and the slow process withdraws.
 * The listing must be a snapshot for this. On Linux it is: one getdents64 call returns a directory of a few hundred
 * names and runs under the lock of the directory.
 */

import { readFile } from 'node:fs/promises'
import { KeystoreError } from './errors.ts'
import { attempt, readIfPresent } from './replacement.ts'
import type { RandomBytes } from './slots.ts'
import { hasCode, type Storage, unlinkIfPresent } from './storage.ts'

/** Who holds a lock. `start` and `boot` are empty where /proc does not tell. */
export interface LockOwner {
  pid: number
  /** start time of the process in clock ticks since boot */
  start: string
  boot: string
}

/** What the lock asks of the operating system. */
export interface ProcessTable {
  self(): Promise<LockOwner>
  isAlive(owner: LockOwner): Promise<boolean>
}

/** A lock that is held. */
export interface ExclusiveLock {
  /** Gives the lock back. If the disk refuses, the end of this process does. */
  release(): Promise<void>
}

const MAX_LOCK_BYTES = 1024
const MAX_ATTEMPTS = 100
const RELEASED = Buffer.from('released\n')

/**
 * Takes the lock of a namespace.
 *
 * @throws keystore-busy with the pid of who has it
 * @throws storage-failed
 */
export async function acquireLock(
  storage: Storage,
  namespace: string,
  processes: ProcessTable,
  random: RandomBytes,
): Promise<ExclusiveLock> {
  const prefix = `${namespace}.lock.`
  const self = await processes.self()
  const temporary = () => `${prefix}${self.pid}-${Buffer.from(random(8)).toString('hex')}.new`
  const content = Buffer.from(`${JSON.stringify(self)}\n`)

  const release = async (mine: string) => {
    const name = temporary()
    await attempt(async () => {
      await storage.writeNew(name, RELEASED)
      await storage.rename(name, mine)
    })
  }

  try {
    for (let i = 0; i < MAX_ATTEMPTS; i++) {
      const highest = Math.max(0, ...numbersIn(await storage.list(), prefix))
      if (highest > 0) {
        const bytes = await readIfPresent(storage, `${prefix}${highest}`, MAX_LOCK_BYTES)
        if (bytes === null) continue
        const owner = parseOwner(bytes)
        if (owner !== null && (await processes.isAlive(owner))) throw busy(owner.pid)
      }
      const mine = `${prefix}${highest + 1}`
      if (!(await placeComplete(storage, temporary(), mine, content))) continue
      try {
        const names = await storage.list()
        if (numbersIn(names, prefix).some(number => number > highest + 1)) {
          await storage.unlink(mine)
          continue
        }
        await removeStale(storage, names, prefix, highest + 1)
      } catch (error) {
        await release(mine)
        throw error
      }
      return { release: () => release(mine) }
    }
  } catch (cause) {
    if (cause instanceof KeystoreError) throw cause
    throw new KeystoreError('storage-failed', 'the lock of the keystore could not be taken', { cause })
  }
  throw new KeystoreError('keystore-busy', 'too many processes want the keystore at once')
}

function busy(pid: number): KeystoreError {
  return new KeystoreError('keystore-busy', `process ${pid} holds the keystore`, {
    hint: `stop process ${pid} first`,
  })
}

/** Writes a file under a name of its own and links it to `name`; false if another process was faster. */
async function placeComplete(
  storage: Storage,
  temporary: string,
  name: string,
  content: Uint8Array,
): Promise<boolean> {
  try {
    await storage.writeNew(temporary, content)
    await storage.link(temporary, name)
    return true
  } catch (error) {
    // ENOENT: the holder took the temporary file for a leftover.
    if (hasCode(error, 'EEXIST') || hasCode(error, 'ENOENT')) return false
    throw error
  } finally {
    await attempt(() => unlinkIfPresent(storage, temporary))
  }
}

/** Removes what is lower than the lock just taken, and temporary files of processes that died. */
async function removeStale(storage: Storage, names: string[], prefix: string, held: number): Promise<void> {
  for (const name of names) {
    const rest = name.startsWith(prefix) ? name.slice(prefix.length) : ''
    const isLower = /^\d{1,15}$/.test(rest) && Number(rest) < held
    if (isLower || /^\d+-[0-9a-f]{16}\.new$/.test(rest)) await attempt(() => unlinkIfPresent(storage, name))
  }
}

function numbersIn(names: string[], prefix: string): number[] {
  const rests = names.filter(name => name.startsWith(prefix)).map(name => name.slice(prefix.length))
  return rests.filter(rest => /^\d{1,15}$/.test(rest)).map(Number)
}

/** The owner in a lock file; `null` if it was released, or torn by a power cut, which no owner survives. */
function parseOwner(bytes: Uint8Array): LockOwner | null {
  try {
    const { pid, start, boot } = JSON.parse(Buffer.from(bytes).toString('utf8'))
    const valid =
      Number.isSafeInteger(pid) && pid > 0 && typeof start === 'string' && typeof boot === 'string'
    return valid ? { pid, start, boot } : null
  } catch {
    return null
  }
}

/**
 * The process table of Linux. Where /proc is missing or closed, a pid that exists is taken to be the owner: a reused pid
 * then keeps the keystore busy, but nobody shares it.
 */
export function linuxProcesses(): ProcessTable {
  return {
    async self() {
      const [start, boot] = [await startTime(process.pid), await bootId()]
      return { pid: process.pid, start: start ?? '', boot }
    },
    async isAlive({ pid, start, boot }) {
      const currentBoot = await bootId()
      if (boot !== '' && currentBoot !== '' && boot !== currentBoot) return false
      const currentStart = await startTime(pid)
      if (start !== '' && currentStart !== null) return start === currentStart
      return pidExists(pid)
    },
  }
}

async function bootId(): Promise<string> {
  try {
    return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
  } catch {
    return ''
  }
}

/** Field 22 of /proc/pid/stat (proc(5)); `null` if it cannot be read, '' for a zombie, which holds nothing any more. */
async function startTime(pid: number): Promise<string | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    // The second field is the command in parentheses, and may itself hold parentheses and spaces.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return /^[ZXx]$/.test(fields[0] ?? '') ? '' : (fields[19] ?? null)
  } catch {
    return null
  }
}

function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return hasCode(error, 'EPERM')
  }
}
