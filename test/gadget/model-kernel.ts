/**
 * The rules of the kernel's configfs for one gadget, in memory: what a directory brings with it, what refuses to be
 * removed, and when a controller can be bound. The guest of `npm run test:vm` holds the same code against the real one.
 */
import type { Kernel } from '../../appliance/gadget/configfs.ts'
import { CONTROLLER, FUNCTION, PORT_NUMBER } from '../../appliance/gadget/description.ts'
import type { Found, Step } from '../../appliance/gadget/steps.ts'

/** Attributes and directories that the kernel makes with a directory, by the directory's last-but-one name. */
const BRINGS: Record<string, { attributes?: string[]; directories?: string[] }> = {
  '.': {
    attributes: [
      'idVendor',
      'idProduct',
      'bcdDevice',
      'bcdUSB',
      'bDeviceClass',
      'bDeviceSubClass',
      'bDeviceProtocol',
      'UDC',
    ],
    directories: ['strings', 'functions', 'configs'],
  },
  strings: { attributes: ['manufacturer', 'product', 'serialnumber'] },
  functions: { attributes: ['port_num'] },
  configs: { attributes: ['bmAttributes', 'MaxPower'], directories: ['strings'] },
  'configs strings': { attributes: ['configuration'] },
}

/** A kernel with one gadget at most. */
export class ModelKernel implements Kernel {
  readonly #controllers: string[]
  readonly directories = new Set<string>()
  readonly attributes = new Map<string, string>()
  readonly links = new Map<string, string>()
  /** Directories that came with others. */
  readonly #brought = new Set<string>()
  /** Every step that was done. */
  readonly done: Step[] = []
  /** After so many steps the power fails. */
  powerFor = Number.POSITIVE_INFINITY
  /** Controllers that another gadget holds. */
  taken: string[] = []

  constructor(controllers = ['dwc2.0']) {
    this.#controllers = controllers
  }

  controllers = async () => [...this.#controllers]
  offersGadgets = async () => true

  async look(): Promise<Found> {
    return {
      directories: new Set(this.directories),
      attributes: new Map(this.attributes),
      links: new Set(this.links.keys()),
    }
  }

  async perform(step: Step): Promise<void> {
    if (this.powerFor-- <= 0) throw new Error('the power failed')
    this[step.do](step as never)
    this.done.push(step)
  }

  make({ path }: { path: string }): void {
    this.#refuse(this.directories.has(path), 'EEXIST', path)
    this.#refuse(path !== '.' && !this.directories.has(parent(path)), 'ENOENT', path)
    this.directories.add(path)
    const above = parent(path).split('/')
    const kind = path === '.' ? '.' : above.length > 1 ? `${above[0]} ${above.at(-1)}` : above[0]!
    const { attributes = [], directories = [] } = BRINGS[kind] ?? {}
    for (const name of attributes) this.attributes.set(under(path, name), name === 'port_num' ? '0' : '')
    for (const name of directories) {
      this.directories.add(under(path, name))
      this.#brought.add(under(path, name))
    }
  }

  write({ path, value }: { path: string; value: string }): void {
    this.#refuse(!this.attributes.has(path), 'ENOENT', path)
    if (path === CONTROLLER) {
      const bound = this.attributes.get(path) !== ''
      this.#refuse(value === '' && !bound, 'ENODEV', path)
      this.#refuse(value !== '' && (bound || this.taken.includes(value)), 'EBUSY', path)
      this.#refuse(value !== '' && ![...this.links.values()].includes(FUNCTION), 'EINVAL', path)
    }
    this.attributes.set(path, value)
  }

  link({ path, target }: { path: string; target: string }): void {
    this.#refuse(!this.directories.has(target) || !this.directories.has(parent(path)), 'ENOENT', path)
    this.links.set(path, target)
  }

  unlink({ path }: { path: string }): void {
    this.#refuse(!this.links.delete(path), 'ENOENT', path)
  }

  remove({ path }: { path: string }): void {
    this.#refuse(!this.directories.has(path), 'ENOENT', path)
    this.#refuse(this.#brought.has(path), 'EPERM', path)
    const inside = (each: string) => each !== path && (path === '.' || each.startsWith(`${path}/`))
    this.#refuse(
      [...this.directories].some(each => inside(each) && !this.#brought.has(each)),
      'ENOTEMPTY',
      path,
    )
    this.#refuse(
      [...this.links].some(([each, target]) => inside(each) || target === path),
      'EBUSY',
      path,
    )
    for (const each of [...this.directories].filter(inside)) this.directories.delete(each)
    for (const each of [...this.attributes.keys()].filter(inside)) this.attributes.delete(each)
    this.directories.delete(path)
  }

  /** The terminal's number, and whether a host sees the device. */
  get bound(): string {
    return this.attributes.get(CONTROLLER) ?? ''
  }

  get terminal(): string | undefined {
    return this.attributes.get(PORT_NUMBER)
  }

  #refuse(isSo: boolean, code: string, path: string): void {
    if (isSo) throw Object.assign(new Error(`${code}: ${path}`), { code })
  }
}

const parent = (path: string) => (path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '.')
const under = (path: string, name: string) => (path === '.' ? name : `${path}/${name}`)
