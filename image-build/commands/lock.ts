/** `image lock --refresh`: writes `packages.lock.json` anew, and says what changed. */
import { readFile, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { ImageError } from '../errors.ts'
import { Progress } from '../fetch/progress.ts'
import { formatLockFile, type LockFile, parseLockFile } from '../lock/lock-file.ts'
import { refreshLock } from '../lock/refresh.ts'
import { LOCK_FILE, machineMirror } from '../places.ts'

const options = {
  refresh: { type: 'boolean' },
  mirror: { type: 'string' },
  keyring: { type: 'string' },
} as const

export async function lock(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options })
  if (!values.refresh) throw new ImageError('say --refresh')
  const before = await readFile(LOCK_FILE, 'utf8').then(parseLockFile, () => null)
  const after = await refreshLock({
    mirror: await machineMirror(values.mirror),
    progress: new Progress(process.stderr),
    now: Math.floor(Date.now() / 1000),
    keyring: values.keyring,
  })
  await writeFile(LOCK_FILE, formatLockFile(after))
  for (const line of changes(before, after)) process.stdout.write(`${line}\n`)
}

/** A line for each package that came, went or has another version. */
export function changes(before: LockFile | null, after: LockFile): string[] {
  const versions = (lock: LockFile | null) =>
    new Map((lock?.packages ?? []).map(({ name, version }) => [name, version]))
  const [old, now] = [versions(before), versions(after)]
  return [...new Set([...old.keys(), ...now.keys()])].sort().flatMap(name => {
    const [from, to] = [old.get(name), now.get(name)]
    return from === to ? [] : [`${name}: ${from ?? 'not there'} -> ${to ?? 'gone'}`]
  })
}
