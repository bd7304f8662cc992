/** A program that the demo starts: used once it says that it is ready, and ended at the latest with the demo. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** A running program. */
export interface Program {
  readonly pid: number
  /** Everything that it has printed, a line each. */
  readonly said: readonly string[]
  /** Resolves when it has ended. */
  stop(): Promise<void>
}

export interface ProgramOptions {
  /** What it is called in an error. */
  name: string
  /** The line by which it says that it is ready. */
  ready: RegExp
  /** Longest time until then, ms. */
  within: number
  env?: NodeJS.ProcessEnv
}

/** @throws Error when it cannot be started, ends, or is not ready in time */
export async function startProgram(
  command: string,
  args: readonly string[],
  { name, ready, within, env = process.env }: ProgramOptions,
): Promise<Program> {
  const options = { env, stdio: ['ignore', 'pipe', 'pipe'] } satisfies SpawnOptions
  const child: ChildProcess = spawn(command, args, options)
  const said: string[] = []
  const ended = new Promise<void>(resolve =>
    child.once('error', () => resolve()).once('exit', () => resolve()),
  )
  const kill = () => child.kill('SIGTERM')
  process.once('exit', kill)
  const stop = async () => {
    process.off('exit', kill)
    kill()
    await ended
  }
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${name} did not start in time`)), within)
    for (const stream of [child.stdout!, child.stderr!])
      createInterface({ input: stream }).on('line', line => {
        said.push(line)
        if (!ready.test(line)) return
        clearTimeout(timer)
        resolve()
      })
    void ended.then(() => {
      clearTimeout(timer)
      reject(new Error(`${name} ended:\n${said.join('\n')}`))
    })
  }).catch(async error => {
    await stop()
    throw error
  })
  return { pid: child.pid!, said, stop }
}
