/** The kernel's configfs: reads what is there of a gadget, and does steps. */
import { lstat, mkdir, readFile, rmdir, symlink, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CONTROLLER, type Item } from './description.ts'
import type { Found, Step } from './steps.ts'

/** Looks for these items, and for the controller. @param gadget the gadget's own directory */
export async function look(gadget: string, items: readonly Item[]): Promise<Found> {
  const directories = new Set<string>()
  const attributes = new Map<string, string>()
  const links = new Set<string>()
  for (const { kind, path } of [...items, { kind: 'attribute', path: CONTROLLER } as const]) {
    const whole = join(gadget, path)
    if (kind === 'attribute') {
      const value = await readFile(whole, 'utf8').catch(absent)
      if (value !== null) attributes.set(path, value.replace(/\n$/, ''))
      continue
    }
    const there = await lstat(whole).catch(absent)
    if (there) (kind === 'link' ? links : directories).add(path)
  }
  return { directories, attributes, links }
}

/** Does one step. @throws the error of the operating system */
export async function perform(gadget: string, step: Step): Promise<void> {
  const path = join(gadget, step.path)
  if (step.do === 'make') await mkdir(path)
  // an attribute takes the whole of one write; nothing at all would not be a write
  else if (step.do === 'write') await writeFile(path, `${step.value}\n`, { flag: 'r+' })
  else if (step.do === 'link') await symlink(join(gadget, step.target), path)
  else if (step.do === 'unlink') await unlink(path)
  else await rmdir(path)
}

function absent(error: NodeJS.ErrnoException): null {
  // ENODEV: a gadget that is being removed
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR' || error.code === 'ENODEV') return null
  throw error
}
