/** The checkpoint that an agent remembers, in a file beside its profile: `<name>.checkpoint`. */
import { type FileHandle, mkdir, open, readFile, rename, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openCheckpoint, readCheckpoint } from '../../protocol/audit/checkpoint.ts'
import type { Witness } from './witness.ts'

const PAUSE_MS = 10
/** Writing takes milliseconds: a new file that lies there for longer is of a process that died. */
const STALE_MS = 5000

/**
 * The witness of an enrolment, readable by its user only.
 *
 * @param directory - as `profileDirectory` says
 * @param name - of the enrolment
 */
export function fileWitness(directory: string, name: string): Witness {
  const place = join(directory, `${name}.checkpoint`)
  const read = () =>
    readFile(place, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null
      throw error
    })
  return {
    place,
    read,
    write: async checkpoint => {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      await replace(place, async () => isNewer(checkpoint, await read()), checkpoint)
    },
  }
}

/**
 * A witness that forgets with its process.
 *
 * @param checkpoint - the newest that was seen; `null` for none
 */
export function memoryWitness(checkpoint: string | null = null): Witness {
  return {
    place: 'memory',
    read: async () => checkpoint,
    write: async newer => {
      if (isNewer(newer, checkpoint)) checkpoint = newer
    },
  }
}

/** After a new enrolment: forgets a checkpoint of another device that was enrolled under the same name. */
export async function forgetOtherLog(witness: Witness, logKey: string): Promise<void> {
  const seen = await witness.read()
  if (seen === null) return
  try {
    openCheckpoint(seen, logKey)
  } catch {
    await unlink(witness.place)
  }
}

/** Whether a checkpoint says more than another one; one that cannot be read says nothing. */
function isNewer(checkpoint: string, than: string | null): boolean {
  return sizeOf(checkpoint) > sizeOf(than)
}

function sizeOf(checkpoint: string | null): number {
  if (checkpoint === null) return -1
  try {
    return readCheckpoint(checkpoint).size
  } catch {
    return -1
  }
}

/** Replaces a file atomically. The new file is the lock: whoever could make it decides, and is alone until it is in place. */
async function replace(path: string, wanted: () => Promise<boolean>, text: string): Promise<void> {
  const next = `${path}.new`
  const file = await makeAlone(next)
  try {
    if (!(await wanted())) return await unlink(next)
    await file.writeFile(text)
    await file.sync()
    await rename(next, path)
  } catch (error) {
    await unlink(next).catch(() => {})
    throw error
  } finally {
    await file.close()
  }
}

async function makeAlone(path: string): Promise<FileHandle> {
  for (;;) {
    try {
      return await open(path, 'wx', 0o600)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const made = await stat(path).catch(() => null)
    if (made && Date.now() - made.mtimeMs > STALE_MS) await unlink(path).catch(() => {})
    else await sleep(PAUSE_MS)
  }
}
