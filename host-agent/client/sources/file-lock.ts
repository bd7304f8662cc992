/**
 * An exclusive lock that ends with the process that holds it, however that ends. Node has no flock(2); SQLite, which is in it, locks a file
 * with what each operating system has for that, and the kernel lets go of it. The file is empty and stays: who removed it while another
 * opens it would leave two holders.
 */
import { resolve } from 'node:path'

/** `SQLITE_BUSY`. */
const BUSY = 5

/**
 * Runs work alone among all who name this file, in this process and in others of this machine.
 *
 * @returns what the work gives, `null` where another is at it
 * @throws what SQLite says where the file cannot be made, and what the work throws
 */
export async function alone<T>(path: string, work: () => Promise<T>): Promise<{ value: T } | null> {
  const { DatabaseSync } = await import('node:sqlite')
  const file = new DatabaseSync(resolve(path), { timeout: 0 })
  try {
    // Or it would lay a journal beside the file.
    file.exec('PRAGMA journal_mode = MEMORY')
    file.exec('BEGIN EXCLUSIVE')
    return { value: await work() }
  } catch (error) {
    if ((error as { errcode?: number }).errcode === BUSY) return null
    throw error
  } finally {
    file.close()
  }
}
