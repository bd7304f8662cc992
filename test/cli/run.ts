/** Runs `claviger` as its user does: a process of its own, with what it is given and what it says. */
import { type ChildProcess, spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { bareNode } from '../support/environment.ts'

const MAIN = fileURLToPath(new URL('../../host-agent/cli/main.ts', import.meta.url))

/** What came of a command. */
export interface Result {
  status: number | null
  stdout: string
  stderr: string
}

export interface Input {
  stdin?: string
  /** What comes on file descriptor 3. */
  secret?: string
}

/** Starts commands with the enrolments in `home`. */
export function starter(home: string): (args: string[]) => ChildProcess {
  return args =>
    spawn(...bareNode(MAIN, ...args), {
      cwd: home,
      env: { ...process.env, CLAVIGER_HOME: home },
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    })
}

/** Runs commands to their end. */
export function runner(home: string): (args: string[], input?: Input) => Promise<Result> {
  const start = starter(home)
  return async (args, { stdin = '', secret = '' } = {}) => {
    const child = start(args)
    const inputs = [child.stdin!, child.stdio[3] as typeof child.stdin & object]
    for (const [i, stream] of inputs.entries()) {
      stream.on('error', () => {})
      stream.end(i === 0 ? stdin : secret && `${secret}\n`)
    }
    const ended = new Promise<number | null>(resolve => child.once('close', resolve))
    const [stdout, stderr, status] = await Promise.all([text(child.stdout!), text(child.stderr!), ended])
    return { status, stdout, stderr }
  }
}
