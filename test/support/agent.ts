/** `claviger agent` as a process of its own, watching one end of a serial pair. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { bareNode } from './environment.ts'

const MAIN = fileURLToPath(new URL('../../host-agent/cli/main.ts', import.meta.url))

/** A running agent. */
export interface AgentProcess {
  pid: number
  /** Everything that it has printed. */
  lines: string[]
  /** Resolves with the first line from `from` on that matches. */
  line(pattern: RegExp, from?: number): Promise<string>
  /** @returns its exit status, or the signal that ended it */
  stop(signal?: NodeJS.Signals): Promise<number | string>
}

/**
 * Starts an agent, and waits until it holds its socket.
 *
 * @param home - where its user's enrolments are
 * @param ports - to watch
 * @param main - the program, another one than the sources
 */
export async function startAgent(
  home: string,
  ports: string[],
  args: string[] = [],
  main: string = MAIN,
): Promise<AgentProcess> {
  const child: ChildProcess = spawn(
    ...bareNode(main, 'agent', ...ports.flatMap(port => ['--port', port]), ...args),
    { env: { ...process.env, CLAVIGER_HOME: home }, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const lines: string[] = []
  const heard = new Set<() => void>()
  for (const stream of [child.stdout!, child.stderr!])
    createInterface({ input: stream }).on('line', line => {
      lines.push(line)
      for (const listener of heard) listener()
    })
  const ended = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | string)
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const line = (pattern: RegExp, from = 0) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        const found = lines.slice(from).find(each => pattern.test(each))
        if (found === undefined) return
        heard.delete(look)
        resolve(found)
      }
      heard.add(look)
      void ended.then(() => reject(new Error(`the agent ended:\n${lines.join('\n')}`)))
      look()
    })
  await line(/reach the dongles through/)
  return {
    pid: child.pid!,
    lines,
    line,
    stop: async (signal = 'SIGTERM') => {
      process.off('exit', kill)
      child.kill(signal)
      return ended
    },
  }
}
