/** Keeps one process running: starts it again when it dies, with a pause that grows while it keeps dying. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** A process to keep running. */
export interface Unit {
  name: string
  /** Arguments of node for the next start: flags, script, options. */
  args(): string[]
  env: NodeJS.ProcessEnv
  /** Each line that it prints. */
  onLine(line: string): void
  /** Each time that it was started. */
  onStart(pid: number): void
}

const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 5000
/** A process that lived this long was well; the next pause is the first again. */
const WELL_MS = 10_000

export class Supervised {
  readonly #unit: Unit
  #child: ChildProcess | undefined
  #pause = FIRST_PAUSE_MS
  #retry: NodeJS.Timeout | undefined
  #stopping = false

  constructor(unit: Unit) {
    this.#unit = unit
    this.#start()
  }

  #start(): void {
    const { name, args, env, onLine, onStart } = this.#unit
    const started = Date.now()
    const child = spawn(process.execPath, args(), {
      stdio: ['ignore', 'pipe', 'inherit'],
      env,
    })
    this.#child = child
    if (child.pid) onStart(child.pid)
    createInterface({ input: child.stdout! }).on('line', onLine)
    child.once('exit', (code, signal) => {
      if (this.#stopping) return
      if (Date.now() - started > WELL_MS) this.#pause = FIRST_PAUSE_MS
      process.stderr.write(`claviger-appliance: ${name} ended (${signal ?? code}), starting it again\n`)
      this.#retry = setTimeout(() => this.#start(), this.#pause)
      this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS)
    })
  }

  /** Ends the process: SIGTERM, and SIGKILL after two seconds. */
  async stop(): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#retry)
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), 2000)
    await ended
    clearTimeout(timer)
  }
}
