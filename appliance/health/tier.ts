/** What checks the system that the device runs, as far as the device itself can tell. docs/image.md, "Security tiers". */
import { readFile } from 'node:fs/promises'
import type { Tier } from '../../protocol/api/routes.ts'

/**
 * @param mountinfo - contents of `/proc/self/mountinfo`, proc(5)
 * @returns `verified-root` where the root is that of an image: a squashfs that the device mapper checks as it is read
 */
export function tierOf(mountinfo: string): Tier {
  const roots = mountinfo.split('\n').flatMap(line => {
    const [before = '', after = ''] = line.split(' - ')
    const [type = '', source = ''] = after.split(' ')
    return before.split(' ')[4] === '/' ? [{ type, source }] : []
  })
  // what was mounted last is what is seen
  const root = roots.at(-1)
  return root?.type === 'squashfs' && /^\/dev\/(?:dm-\d+|mapper\/\w+)$/.test(root.source)
    ? 'verified-root'
    : 'none'
}

/** Of the machine that this runs on. */
export async function readTier(): Promise<Tier> {
  return tierOf(await readFile('/proc/self/mountinfo', 'utf8').catch(() => ''))
}
