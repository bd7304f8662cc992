/** The image builder, which is a program of its own: this one hands over to it and waits. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { UsageError } from './command.ts'

const BUILDER = fileURLToPath(new URL('../../image-build/main.ts', import.meta.url))

/** The file descriptor on which the builder gets what must not be on a disk. */
export const HANDED_FD = 3

/** @throws UsageError where this installation has no builder */
export function assertBuilder(path = BUILDER): void {
  if (!existsSync(path))
    throw new UsageError(
      'the image builder is not part of this installation',
      'run this in a checkout of the repository, which has the folder image-build',
    )
}

/**
 * Runs the builder on this terminal.
 *
 * @param handed is what it reads from {@link HANDED_FD}
 * @returns its exit status; 1 where a signal ended it
 */
export async function runBuilder(args: readonly string[], handed?: string): Promise<number> {
  assertBuilder()
  const child = spawn(process.execPath, [BUILDER, ...args], {
    stdio: ['inherit', 'inherit', 'inherit', handed === undefined ? 'ignore' : 'pipe'],
  })
  // A terminal interrupts both: the builder says what became of the card, and this process lives until it has.
  const forward = (signal: NodeJS.Signals) => child.kill(signal)
  for (const signal of SIGNALS) process.on(signal, forward)
  try {
    if (handed !== undefined) {
      const pipe = child.stdio[HANDED_FD] as import('node:stream').Writable
      // One that ends before it has read it says why.
      pipe.on('error', () => {})
      pipe.end(handed)
    }
    return await new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', status => resolve(status ?? 1))
    })
  } finally {
    for (const signal of SIGNALS) process.off(signal, forward)
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
