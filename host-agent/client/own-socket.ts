/** A socket in the file system that programs of this user alone can reach. */
import { chmod, lstat, mkdir, rm } from 'node:fs/promises'
import type { Server } from 'node:net'
import { dirname } from 'node:path'
import { ConnectionError } from './errors.ts'

/**
 * Makes the directory of a socket, and refuses one into which others could put a socket of their own.
 *
 * @throws ConnectionError `unreachable`
 */
export async function prepareSocket(path: string): Promise<void> {
  const directory = dirname(path)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const { uid, mode } = await lstat(directory)
  if (uid !== process.getuid?.() || (mode & 0o022) !== 0)
    throw new ConnectionError('unreachable', `others than you may write to ${directory}`, {
      hint: 'make it yours alone: chmod 700, and check its owner',
    })
}

/**
 * Listens there, in the place of a socket that nobody answers any more. Named pipes of Windows are nobody's files.
 *
 * @throws Error of the system
 */
export async function listenAt(server: Server, path: string): Promise<void> {
  const isPipe = path.startsWith('\\\\')
  if (!isPipe) await rm(path, { force: true })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      resolve()
    })
  })
  if (!isPipe) await chmod(path, 0o600)
}
