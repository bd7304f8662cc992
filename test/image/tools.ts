/** Programs that tests ask for a second opinion. */
import { spawnSync } from 'node:child_process'

/**
 * For the `skip` of a test: false where the programs are there, else the reason.
 *
 * @throws Error where one is missing on a machine that has to have them all
 */
export function unlessThere(...programs: string[]): false | string {
  const missing = programs.filter(
    name => spawnSync(name, ['--version'], { stdio: 'ignore' }).error !== undefined,
  )
  if (missing.length === 0) return false
  if (process.env.CI) throw new Error(`this machine has no ${missing.join(', ')}`)
  return `there is no ${missing.join(', ')} on this machine`
}
