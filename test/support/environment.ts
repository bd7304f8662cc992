/**
 * Starting programs as a user's shell would. A test runner may put hooks of its own into every Node that a test starts, by way of
 * `NODE_OPTIONS`; a device under test must not carry them.
 */
import { bundled } from './bundled.ts'

/**
 * Command and arguments that start this Node without the runner's hooks; the pid is that of Node itself. A program of ours is its
 * bundle, where `npm test` has made one.
 */
export function bareNode(...args: string[]): [command: string, args: string[]] {
  const own = args.map(bundled)
  if (process.env.NODE_OPTIONS === undefined) return [process.execPath, own]
  return ['env', ['-u', 'NODE_OPTIONS', process.execPath, ...own]]
}
