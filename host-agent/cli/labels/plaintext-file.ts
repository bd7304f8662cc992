/** A file with plaintext: of its user alone, and there only when it is whole. */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { access, type FileHandle, lstat, open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { UsageError } from '../command.ts'

/**
 * Finds out whether the file can be written, before anything is opened for it.
 *
 * @throws UsageError
 */
export async function checkWritable(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => null)
  if (stats && !stats.isFile())
    throw new UsageError(`${path} is there, and no ordinary file`, 'name another one with --out')
  await access(dirname(path), constants.W_OK).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`${path} cannot be written: ${error.code}`, 'name another one with --out')
  })
}

/**
 * Puts the file in its place, mode 0600, instead of one that was there.
 *
 * @throws UsageError where that fails; nothing of it is left then
 */
export async function writePlaintext(path: string, text: string): Promise<void> {
  const next = `${path}.${randomBytes(6).toString('hex')}.new`
  let file: FileHandle | undefined
  try {
    file = await open(next, 'wx', 0o600)
    await file.writeFile(text)
    await file.sync()
    await rename(next, path)
  } catch (error) {
    if (file) await unlink(next).catch(() => {})
    throw new UsageError(
      `${path} cannot be written: ${(error as NodeJS.ErrnoException).code}`,
      'name another file with --out',
    )
  } finally {
    await file?.close()
  }
}
