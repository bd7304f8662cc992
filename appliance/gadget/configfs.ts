/** The kernel's side of a gadget: configfs, and the list of controllers. */
import { access, lstat, mkdir, readdir, readFile, rmdir, symlink, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CONTROLLER, type Item } from './description.ts'
import type { Found, Step } from './steps.ts'

/** What setting up a gadget uses of the kernel. */
export interface Kernel {
  /** Names of the controllers of USB devices. */
  controllers(): Promise<string[]>
  /** Whether gadgets can be made at all. */
  offersGadgets(): Promise<boolean>
  /** Looks for these items of our gadget, and for its controller. */
  look(items: readonly Item[]): Promise<Found>
  /** Does one step. @throws the error of the operating system */
  perform(step: Step): Promise<void>
}

export const GADGETS = '/sys/kernel/config/usb_gadget'
const CONTROLLERS = '/sys/class/udc'
/** Of our gadget among others. */
const NAME = 'claviger'

/** The kernel that this process runs on. */
export function thisKernel(gadgets = GADGETS, controllers = CONTROLLERS): Kernel {
  const gadget = join(gadgets, NAME)
  return {
    controllers: async () => (await readdir(controllers).catch(() => [])).sort(),
    offersGadgets: () =>
      access(gadgets).then(
        () => true,
        () => false,
      ),
    look: items => look(gadget, items),
    perform: step => perform(gadget, step),
  }
}

async function look(gadget: string, items: readonly Item[]): Promise<Found> {
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

async function perform(gadget: string, step: Step): Promise<void> {
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
