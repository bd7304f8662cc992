/** Other implementations that tests hold ours against: programs that a machine may lack. */
import { spawnSync } from 'node:child_process'

/**
 * Why a test is left out: a program is missing. Where CI is set, it is not left out, and fails; but for the guest of the VM test, which has none.
 */
export function missing(program: string, ...args: string[]): string | false {
  if (process.env.CLAVIGER_GUEST) return `the guest has no ${program}`
  if (process.env.CI || spawnSync(program, args).status === 0) return false
  return `${program} is not on this machine, or lacks what is needed`
}

/** What a program prints for an input, as JSON. */
export function ask<T>(program: string, args: readonly string[], input: unknown): T {
  const { stdout, stderr } = spawnSync(program, args, { input: JSON.stringify(input), encoding: 'utf8' })
  if (!stdout) throw new Error(stderr)
  return JSON.parse(stdout) as T
}
