/** Which processes have a file open, as `/proc` tells it to root. */
import { readdir, readFile, readlink } from 'node:fs/promises'

/** @returns each as `name (pid)` */
export async function holdersOf(path: string): Promise<string[]> {
  const found: string[] = []
  for (const pid of (await readdir('/proc')).filter(name => /^\d+$/.test(name))) {
    const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => [])
    const targets = await Promise.all(
      descriptors.map(fd => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')),
    )
    if (!targets.includes(path)) continue
    const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')
    found.push(`${name.trim()} (${pid})`)
  }
  return found
}
