/** An emulated PC: no disk, no network, two serial lines, one for the kernel's messages and one for the report. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** What to start. */
export interface MachineOptions {
  /** Paths of files. */
  readonly kernel: string
  readonly initramfs: string
  /** Takes the kernel's messages. */
  readonly console: string
  /** For the kernel's command line; `init` finds them in its environment. */
  readonly variables: Readonly<Record<string, string>>
  /** After how long the machine is switched off, ms. */
  readonly deadline: number
  /** Each line of the report. */
  onLine(line: string): void
}

const QEMU = 'qemu-system-x86_64'
/** MiB: the unpacked root lives in memory, twice while it is unpacked. */
const MEMORY = 2048

/** An old one, without AVX and protection keys: with all that this emulator knows, V8 now and then aborts. */
const PROCESSOR = 'Westmere'

/** Starts the machine and waits until it switched itself off. @returns why it ended, or `null` when it did so by itself */
export async function runMachine(options: MachineOptions): Promise<string | null> {
  const { kernel, initramfs, variables, deadline } = options
  const words = Object.entries(variables).map(([name, value]) => `${name}=${value}`)
  // No KVM: what the tests say must not depend on who runs them, and most hosted machines have none.
  const hardware = ['-accel', 'tcg,thread=multi', '-smp', '2', '-m', `${MEMORY}`, '-cpu', PROCESSOR]
  const child = spawn(
    QEMU,
    [
      ...hardware,
      ...['-nodefaults', '-no-reboot', '-display', 'none', '-kernel', kernel, '-initrd', initramfs],
      ...['-append', ['console=ttyS0', 'quiet', 'panic=-1', ...words].join(' ')],
      ...['-serial', `file:${options.console}`, '-serial', 'stdio'],
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  let reason: string | null = null
  const timer = setTimeout(() => {
    reason = `the guest did not end within ${deadline / 60_000} minutes`
    kill()
  }, deadline)
  createInterface({ input: child.stdout }).on('line', options.onLine)
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once('error', reject)
    // not `exit`: the report is read to its end first
    child.once('close', (...how) => resolve(how))
  }).finally(() => {
    clearTimeout(timer)
    process.off('exit', kill)
  })
  if (reason === null && code !== 0) reason = `${QEMU} ended with ${signal ?? code}`
  return reason
}
