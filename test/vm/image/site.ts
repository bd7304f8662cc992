/** Images, cards and machines of the test: built once, flashed and started with the commands that an administrator uses. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, rmSync } from 'node:fs'
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { VERSION } from '../../../appliance/version.ts'
import { cmdline } from '../../../image-build/boot/cmdline.ts'
import { type Mode, type Model, variantName } from '../../../image-build/model.ts'
import { ROOT } from '../../../image-build/places.ts'
import { type Manifest, parseManifest } from '../../../image-build/release/manifest.ts'
import { type Input, type Result, runner } from '../../cli/run.ts'
import { PASSPHRASE } from '../../support/appliance.ts'
import { Machine } from './machine.ts'
import { overlay } from './overlay.ts'

const WORK = await mkdtemp(join(tmpdir(), 'clv-'))
process.once('exit', () => rmSync(WORK, { recursive: true, force: true }))
// a test that is stopped leaves no machine running
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

/** An image, and what starts it in a machine. */
export interface Image {
  readonly path: string
  readonly kernel: string
  /** Of the image alone, and with what the test needs in the machine. */
  readonly initramfs: string
  readonly watched: string
  readonly manifest: Manifest
}

/** Runs the builder. @throws Error with what it said */
export async function builder(...args: string[]): Promise<void> {
  const child = spawn(process.execPath, [join(ROOT, 'image-build/main.ts'), ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', piece => {
    said += piece
  })
  const [status] = await once(child, 'close')
  if (status !== 0) throw new Error(said)
}

const built = new Map<string, Promise<Image>>()

/** Where images are kept for other questions of the same run. */
const IMAGES = process.env.CLAVIGER_VM_IMAGES ?? WORK

/** The image of a mode; its root is packed with little compression, which changes nothing in it. */
export function image(mode: Mode, model: Model): Promise<Image> {
  const key = `${mode}-${model}`
  const there = built.get(key) ?? make(mode, model, join(IMAGES, key))
  built.set(key, there)
  return there
}

async function make(mode: Mode, model: Model, directory: string): Promise<Image> {
  const base = join(directory, variantName({ mode, model, kernel: 'stable' }, VERSION))
  const watched = `${base}.watched`
  // the last file that is written
  if (!existsSync(watched)) {
    await builder('build', '--mode', mode, '--model', model, '--level', '1', '--out', directory)
    await writeFile(watched, Buffer.concat([await readFile(`${base}.initramfs`), await overlay()]))
  }
  return {
    path: `${base}.img`,
    kernel: `${base}.vmlinuz`,
    initramfs: `${base}.initramfs`,
    watched,
    manifest: parseManifest(await readFile(`${base}.manifest.json`, 'utf8')),
  }
}

/** A card with an owner, in a machine or out of it. */
export class Device {
  readonly image: Image
  readonly directory: string
  /** Runs `claviger` as the owner does. */
  readonly claviger: (args: string[], input?: Input) => Promise<Result>
  readonly port: number
  #machine: Machine | null = null

  private constructor(image: Image, directory: string, port: number) {
    this.image = image
    this.directory = directory
    this.port = port
    this.claviger = runner(directory)
  }

  /**
   * Flashes a card.
   *
   * @param port - of this computer that leads to the device's HTTPS; 0: a dongle
   */
  static async flash(image: Image, name: string, port: number): Promise<Device> {
    const directory = await mkdtemp(join(WORK, `${name}-`))
    const device = new Device(image, directory, port)
    const args = ['flash', image.path, device.card, '--unsigned', '--yes', 'card', '--device', name]
    await device.expect(args)
    return device
  }

  get card(): string {
    return join(this.directory, 'card')
  }

  get machine(): Machine {
    if (this.#machine === null) throw new Error('the machine is off')
    return this.#machine
  }

  /** Where its owner reaches it. */
  get address(): string {
    return this.port === 0 ? `serial:unix:${this.machine.wire}` : `https://127.0.0.1:${this.port}`
  }

  /** Runs a command that has to succeed. @returns what it printed */
  async expect(args: string[], input?: Input): Promise<string> {
    const { status, stdout, stderr } = await this.claviger(args, input)
    if (status !== 0) throw new Error(`claviger ${args.join(' ')}: ${stderr || stdout}`)
    return stdout
  }

  /** Puts the card into a machine and switches it on. */
  on(clock?: string): Machine {
    this.#machine = new Machine({
      kernel: this.image.kernel,
      initramfs: this.image.watched,
      card: this.card,
      directory: this.directory,
      commandLine: cmdline(null),
      port: this.port,
      ...(clock === undefined ? {} : { clock }),
    })
    return this.#machine
  }

  /**
   * Waits until it can be talked to.
   *
   * @returns seconds since its kernel started, by its own clock
   */
  async ready(): Promise<number> {
    const { machine } = this
    if (this.port === 0) {
      await machine.until('ls /dev/ttyACM0 2>/dev/null', /ttyACM0/, READY_MS)
      // the terminal is there before the gate has opened its end
      await machine.until('ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c ttyGS0', /^[1-9]/, READY_MS)
      await machine.ask(BRIDGE)
    } else await machine.until('cat /proc/net/tcp', /:20FB 00000000:0000 0A/, READY_MS)
    return Number((await machine.ask('cat /proc/uptime')).split(' ')[0])
  }

  async provision(): Promise<void> {
    const sheet = join(this.directory, 'sheet.html')
    const args = [
      'provision',
      '--at',
      this.address,
      '--passphrase-fd',
      '3',
      '--first-key',
      'cards',
      '--sheet',
      sheet,
    ]
    await this.expect(args, { secret: PASSPHRASE })
  }

  /** Pulls the plug. */
  async off(): Promise<void> {
    await this.#machine?.off()
    this.#machine = null
  }
}

/** Longer than the slowest start that was seen, with other work on both cores. */
const READY_MS = 300_000

/** Between the terminal of the host's end, which is in the same kernel, and the wire that leads out of the machine. */
const BRIDGE =
  '( exec 7<>"$(ls /dev/vport*p2)"; while :; do if [ -c /dev/ttyACM0 ]; then stty -F /dev/ttyACM0 raw -echo; cat /dev/ttyACM0 >&7 & cat <&7 >/dev/ttyACM0; kill $!; fi; sleep 0.3; done ) >/dev/null 2>&1 &'
