/** Runs the questions about images, each a program of its own in `image/`, and reads its report. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { bareNode } from '../support/environment.ts'
import { Report, type Totals } from './report.ts'

/** Names of the questions, in the order in which they are asked. */
export const IMAGE_QUESTIONS = ['first-day', 'dongle', 'broken', 'raspi'] as const

/** What they need of the machine that they run on. */
export const IMAGE_PROGRAMS = ['qemu-system-aarch64', 'mksquashfs', 'zstd', 'e2fsck', 'debugfs']

/**
 * Asks one.
 *
 * @param images - a directory where images are kept from one question to the next
 * @param take - gives what takes each line of the report
 */
export async function askImage(
  name: (typeof IMAGE_QUESTIONS)[number],
  images: string,
  take: (report: Report) => (line: string) => void,
): Promise<Totals> {
  const report = new Report()
  const onLine = take(report)
  const program = fileURLToPath(new URL(`image/${name}.ts`, import.meta.url))
  const env = { ...process.env, CLAVIGER_VM_IMAGES: images }
  const child = spawn(...bareNode(program), { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const kill = () => child.kill('SIGTERM')
  process.once('exit', kill)
  createInterface({ input: child.stdout! }).on('line', onLine)
  // not `exit`: the report is read to its end first
  const status = await new Promise<number | null>(resolve => child.once('close', resolve))
  process.off('exit', kill)
  onLine(`# status ${status ?? 1}`)
  return report.totals()
}
