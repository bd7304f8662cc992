/** Where the recovery sheet goes. A file that was named is opened before the device is provisioned: the sheet cannot be made later. */
import { type FileHandle, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { UsageError } from '../command.ts'

/** As `--sheet`: no sheet. */
export const NO_SHEET = '-'

/** A file that is there, and empty. */
export interface SheetFile {
  readonly path: string
  write(text: string): Promise<void>
  /** Removes it, for a device that was not provisioned after all. */
  discard(): Promise<void>
}

/**
 * A file that somebody named; what is in it is replaced when the sheet is there.
 *
 * @throws UsageError where it cannot be written
 */
export async function openNamed(path: string): Promise<SheetFile> {
  const handle = await open(path, 'a', 0o600).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(
      `${path} cannot be written: ${error.code}`,
      'name another file with --sheet, or none: --sheet -',
    )
  })
  const isNew = (await handle.stat()).size === 0
  return sheetFile(path, handle, isNew)
}

/**
 * The file of a sheet that nobody named: in the first directory that can be written to, and never one that is there.
 *
 * @param name of the device, for people
 * @throws UsageError where none can be written to
 */
export async function openUnnamed(
  directories: readonly string[],
  name: string,
  namespace: string,
): Promise<SheetFile> {
  const stem = `claviger-recovery-${slug(name)}${namespace === 'default' ? '' : `-${namespace}`}`
  for (const directory of directories)
    for (let count = 1; ; count++) {
      const path = join(directory, `${stem}${count === 1 ? '' : `-${count}`}.html`)
      const opened = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => error.code)
      if (typeof opened === 'object') return sheetFile(path, opened, true)
      if (opened !== 'EEXIST') break
    }
  throw new UsageError('the recovery sheet cannot be written anywhere', 'name a file with --sheet')
}

/** What can stand in the name of a file everywhere. */
export function slug(name: string): string {
  return (
    name
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-|-$/g, '') || 'device'
  )
}

function sheetFile(path: string, handle: FileHandle, isNew: boolean): SheetFile {
  return {
    path,
    async write(text) {
      try {
        await handle.truncate(0)
        await handle.writeFile(text)
      } finally {
        await handle.close()
      }
    },
    async discard() {
      await handle.close()
      if (isNew) await rm(path, { force: true })
    },
  }
}
