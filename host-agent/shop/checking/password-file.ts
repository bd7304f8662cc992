/** Whether the file with the database's password is its user's alone. */
import { stat } from 'node:fs/promises'
import type { Connection } from '../mapping/connection.ts'
import { type Finding, note } from './finding.ts'

const GROUP_AND_OTHERS = 0o077

/** @returns nothing where there is no such file: who reads it says so */
export async function checkPasswordFile(connection: Connection): Promise<Finding[]> {
  // Windows has no such bits.
  if (connection.kind === 'sqlite' || connection.passwordFile === null || process.platform === 'win32')
    return []
  const path = connection.passwordFile
  const stats = await stat(path).catch(() => null)
  if (stats === null || (stats.mode & GROUP_AND_OTHERS) === 0) return []
  return [note(path, 'the password can be read by others than its user', `chmod 600 ${path}`)]
}
