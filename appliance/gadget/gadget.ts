/** Makes the gadget and binds it, or takes it away: what `main.ts` does, on a kernel that is passed in. */
import type { Kernel } from './configfs.ts'
import { type Description, gadgetItems, type Item, PORT_NUMBER } from './description.ts'
import { bind, setUp, takeDown, unbind } from './steps.ts'

/** The gadget cannot be set up or taken down. */
export class GadgetError extends Error {
  /** The next step for the reader. */
  readonly hint: string

  constructor(message: string, hint: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'GadgetError'
    this.hint = hint
  }
}

/** What was set up. */
export interface SetUp {
  readonly controller: string
  /** Such as `/dev/ttyGS0`. */
  readonly terminal: string
  /** Whether anything had to be done. */
  readonly changed: boolean
}

/** What setting up needs besides a description. */
export interface SetUpOptions {
  readonly kernel: Kernel
  /** Name of the controller; by default the only one there is. */
  readonly controller?: string | undefined
  /** Makes a terminal raw. */
  makeRaw(terminal: string): Promise<void>
}

/**
 * Makes the gadget so, whatever is there of it, and binds it when its terminal is raw.
 *
 * @throws GadgetError without a controller or configfs, or when another gadget holds the controller
 */
export async function up(description: Description, options: SetUpOptions): Promise<SetUp> {
  const { kernel, makeRaw } = options
  const controller = chosen(await kernel.controllers(), options.controller)
  if (!(await kernel.offersGadgets()))
    throw new GadgetError(
      'the kernel offers no USB gadgets',
      'load the module libcomposite, and mount configfs at /sys/kernel/config',
    )
  const items = gadgetItems(description)
  const steps = setUp(items, await kernel.look(items))
  for (const step of steps) await kernel.perform(step)
  const terminal = (await terminalOf(kernel))!
  const binding = bind(controller, await kernel.look(items))
  // The terminal starts by echoing what it gets, and the host sends as soon as it sees the device.
  if (binding.length > 0) await makeRaw(terminal)
  for (const step of binding) await kernel.perform(step).catch(cause => refused(controller, cause))
  return { controller, terminal, changed: steps.length + binding.length > 0 }
}

/** What taking down needs. */
export interface DownOptions {
  readonly kernel: Kernel
  /** Who has a terminal open, as a person reads it. */
  holders(terminal: string): Promise<string[]>
  /** Waits. @param ms */
  sleep(ms: number): Promise<unknown>
}

/** How long the gate may take to close a terminal that hung up, ms. */
const CLOSE_MS = 5_000
const LOOK_EVERY = 50

/**
 * Takes the gadget away.
 *
 * @returns whether there was one
 * @throws GadgetError when a program keeps the terminal open: the kernel would wait for it, deaf to every signal
 */
export async function down({ kernel, holders, sleep }: DownOptions): Promise<boolean> {
  const items = gadgetItems({ ids: { vendorId: 0, productId: 0 }, serialNumber: '', version: '' })
  const found = await kernel.look(items)
  for (const step of unbind(found)) await kernel.perform(step)
  const terminal = await terminalOf(kernel)
  for (let waited = 0; terminal !== null; waited += LOOK_EVERY) {
    const who = await holders(terminal)
    if (who.length === 0) break
    if (waited >= CLOSE_MS)
      throw new GadgetError(
        `${terminal} is open in ${who.join(', ')}`,
        'the host sees no device any more; end that first',
      )
    await sleep(LOOK_EVERY)
  }
  const steps = takeDown(items, found)
  for (const step of steps) await kernel.perform(step)
  return steps.length > 0
}

/** The terminal of the gadget's function; `null` while there is no function. */
async function terminalOf(kernel: Kernel): Promise<string | null> {
  const item: Item = { kind: 'attribute', path: PORT_NUMBER, value: '' }
  const number = (await kernel.look([item])).attributes.get(PORT_NUMBER)
  return number === undefined ? null : `/dev/ttyGS${number}`
}

function chosen(there: readonly string[], wanted?: string): string {
  const [first] = there
  if (first === undefined)
    throw new GadgetError(
      'this machine has no USB device controller',
      'a Zero 2 W, a 3A+ and a 4 have one: is dwc2 loaded, and its dr_mode "peripheral"?',
    )
  if (wanted === undefined && there.length > 1)
    throw new GadgetError(
      `there are ${there.length} USB device controllers`,
      `name one of ${there.join(', ')} with --udc`,
    )
  if (wanted !== undefined && !there.includes(wanted))
    throw new GadgetError(`there is no USB device controller ${wanted}`, `there is ${there.join(', ')}`)
  return wanted ?? first
}

function refused(controller: string, cause: NodeJS.ErrnoException): never {
  if (cause.code !== 'EBUSY') throw cause
  throw new GadgetError(
    `the controller ${controller} is taken`,
    'another gadget is bound to it: unbind that first',
    { cause },
  )
}
