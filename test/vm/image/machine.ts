/** An emulated arm64 computer that starts a card: disk, network that ends at this computer, a shell, a serial wire, a keyboard. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** What to start. */
export interface MachineOptions {
  /** Paths of files. */
  readonly kernel: string
  readonly initramfs: string
  readonly card: string
  /** A directory for sockets and the console, whose path is short. */
  readonly directory: string
  readonly commandLine: string
  /** Port of this computer on which the device's HTTPS is reached; 0: it has no network. */
  readonly port: number
  /** What its clock says when it starts; an ISO time. */
  readonly clock?: string
}

const QEMU = 'qemu-system-aarch64'
const MEMORY = 512

/** A running machine. */
export class Machine {
  readonly #child: ChildProcess
  readonly #directory: string
  readonly #kill = () => this.#child.kill('SIGKILL')
  #shell: Socket | null = null

  constructor(options: MachineOptions) {
    const { kernel, initramfs, card, directory, commandLine, port, clock } = options
    this.#directory = directory
    const socket = (id: string) => `socket,id=${id},path=${join(directory, id)},server=on,wait=off`
    const network =
      port === 0
        ? ['-nic', 'none']
        : [
            '-netdev',
            `user,id=lan,restrict=on,hostfwd=tcp:127.0.0.1:${port}-:8443`,
            '-device',
            'virtio-net-pci,netdev=lan,romfile=',
          ]
    this.#child = spawn(
      QEMU,
      [
        ...['-M', 'virt', '-cpu', 'cortex-a53', '-smp', '2', '-m', `${MEMORY}`, '-accel', 'tcg,thread=multi'],
        ...['-nodefaults', '-no-reboot', '-display', 'none', '-kernel', kernel, '-initrd', initramfs],
        ...['-append', commandLine, '-serial', `file:${join(directory, 'console')}`],
        ...['-drive', `if=none,id=card,format=raw,file=${card}`, '-device', 'virtio-blk-pci,drive=card'],
        ...network,
        ...['-device', 'virtio-serial-pci'],
        ...['-chardev', socket('shell'), '-device', 'virtserialport,chardev=shell,nr=1'],
        ...['-chardev', socket('wire'), '-device', 'virtserialport,chardev=wire,nr=2'],
        ...[
          '-device',
          'virtio-keyboard-pci',
          '-monitor',
          `unix:${join(directory, 'monitor')},server=on,wait=off`,
        ],
        ...(clock ? ['-rtc', `base=${clock},clock=vm`] : []),
      ],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    )
    process.once('exit', this.#kill)
  }

  /** Where the wire of the dongle comes out. */
  get wire(): string {
    return join(this.#directory, 'wire')
  }

  get console(): string {
    return join(this.#directory, 'console')
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /**
   * Runs a command in the shell that stands beside the device.
   *
   * @param timeout - ms
   * @throws Error where it gives no answer in time
   */
  async ask(command: string, timeout = 60_000): Promise<string> {
    this.#shell ??= await this.#connect('shell')
    const socket = this.#shell
    const end = `<<end ${Math.random()}>>`
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    let said = ''
    const take = (bytes: Buffer) => {
      said += bytes.toString('latin1')
      const at = said.indexOf(`${end}\n`)
      if (at >= 0) resolve(said.slice(0, at).replaceAll('\r', '').trimEnd())
    }
    const timer = setTimeout(() => reject(new Error(`no answer to "${command}": ${said}`)), timeout)
    socket.on('data', take)
    // cut in two, so that an echo of the command is not taken for its end
    const middle = end.length >> 1
    socket.write(`${command}\nprintf '%s%s\\n' '${end.slice(0, middle)}' '${end.slice(middle)}'\n`)
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      socket.off('data', take)
    }
  }

  /** Asks again until the answer is as wanted. @throws Error after `timeout` ms */
  async until(command: string, wanted: RegExp, timeout: number): Promise<string> {
    const deadline = performance.now() + timeout
    let said = ''
    while (performance.now() < deadline && this.running) {
      said = await this.ask(command, Math.max(1, deadline - performance.now()))
      if (wanted.test(said)) return said
      await sleep(200)
    }
    throw new Error(`${command} says ${said || 'nothing'} and not ${wanted}`)
  }

  /** Tells the emulator something, such as `sendkey a`. */
  async monitor(command: string): Promise<void> {
    const socket = await this.#connect('monitor')
    socket.end(`${command}\n`)
    await once(socket.resume(), 'close')
  }

  async #connect(name: string): Promise<Socket> {
    for (let tries = 0; ; tries++) {
      const socket = connect(join(this.#directory, name))
      const error = await Promise.race([
        once(socket, 'connect').then(() => null),
        once(socket, 'error').then(([error]) => error as Error),
      ]).catch(error => error as Error)
      if (error === null) return socket.on('error', () => {})
      if (tries > 50) throw error
      await sleep(100)
    }
  }

  /** Waits until it switched itself off. @throws Error where it has not after `timeout` ms */
  async ended(timeout: number): Promise<void> {
    if (!this.running) return
    const signal = AbortSignal.timeout(timeout)
    await once(this.#child, 'exit', { signal })
  }

  /** Pulls the plug. */
  async off(): Promise<void> {
    this.#shell?.destroy()
    this.#shell = null
    process.off('exit', this.#kill)
    if (!this.running) return
    const exit = once(this.#child, 'exit')
    this.#kill()
    await exit
  }
}
