/**
 * Starting programs as a user's shell would. The test runner puts hooks of its own into every Node that a test starts,
 * by way of `NODE_OPTIONS`; a device under test must not carry them.
 */

/** Command and arguments that start this Node without the runner's hooks; the pid is that of Node itself. */
export function bareNode(...args: string[]): [command: string, args: string[]] {
  return ['env', ['-u', 'NODE_OPTIONS', process.execPath, ...args]]
}
