/** The terminal: results on stdout, everything said to a person on stderr, secrets read without showing them. */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { UsageError } from './command.ts'

/** Characters of a bar, and how often it is drawn at most, ms. */
const BAR_WIDTH = 24
const BAR_PERIOD_MS = 100
const MAX_SECRET = 4096
/** C0 and C1 controls but tabs and line ends. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROLS = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)/g

/** A bar on stderr; silent where stderr is no terminal. */
export interface Progress {
  /** @param done - items so far; `total` may be unknown */
  update(done: number, total?: number): void
  /** Removes the bar. */
  end(): void
}

export class Terminal {
  readonly #out: NodeJS.WriteStream
  readonly #err: NodeJS.WriteStream
  readonly #in: NodeJS.ReadStream

  constructor({ stdout, stderr, stdin }: Pick<NodeJS.Process, 'stdout' | 'stderr' | 'stdin'>) {
    this.#out = stdout
    this.#err = stderr
    this.#in = stdin
  }

  /** A line of the result. */
  print(line: string): void {
    this.#out.write(`${line}\n`)
  }

  /** Writes to stdout; resolves when there is room for more. */
  async write(text: string | Uint8Array): Promise<void> {
    const hasRoom = this.#out.write(text, error => {
      if (error && (error as NodeJS.ErrnoException).code !== 'EPIPE')
        this.say(`the output cannot be written: ${error.message}`)
    })
    if (!hasRoom) await new Promise(resolve => this.#out.once('drain', resolve))
  }

  /** Whether results go to a screen. */
  get isScreen(): boolean {
    return this.#out.isTTY
  }

  /** Text that strangers chose, as stdout gets it: a screen shows its control characters instead of obeying them. */
  tame(text: string): string {
    return this.isScreen ? text.replace(CONTROLS, showControl) : text
  }

  /** One JSON document for a machine. */
  printJson(value: unknown): void {
    this.print(JSON.stringify(value))
  }

  /** A remark to the person at the terminal. */
  say(line: string): void {
    this.#err.write(`claviger: ${line}\n`)
  }

  hint(line: string): void {
    this.#err.write(`hint: ${line}\n`)
  }

  /** Text as it is, for usage and listings on stderr. */
  explain(text: string): void {
    this.#err.write(text)
  }

  /** Rows under headings, columns aligned. */
  table(headings: string[], rows: string[][]): void {
    const widths = headings.map((heading, i) =>
      Math.max(heading.length, ...rows.map(row => (row[i] ?? '').length)),
    )
    for (const row of [headings, ...rows])
      this.print(
        row
          .map((cell, i) => cell.padEnd(widths[i]!))
          .join('  ')
          .trimEnd(),
      )
  }

  /**
   * Reads a secret: from a file descriptor where one is given, else typed on the terminal without echo.
   *
   * @param signal - gives up asking
   * @throws UsageError where there is neither, and when it was interrupted or given up
   */
  async secret(
    prompt: string,
    option: string,
    descriptor: string | undefined,
    signal?: AbortSignal,
  ): Promise<string> {
    if (descriptor !== undefined) return readDescriptor(descriptor, option)
    if (!this.canAsk)
      throw new UsageError(
        `${prompt} is needed and there is no terminal to ask on`,
        `pass it with ${option} N and a file descriptor N, as in ${option} 3 3<file`,
      )
    return this.#ask(prompt, signal)
  }

  /** Asks for something that is no secret: what is typed is shown. Nothing typed is `preset`. */
  async question(prompt: string, preset: string): Promise<string> {
    const reader = createInterface({ input: this.#in, output: this.#err, terminal: true })
    return new Promise((resolve, reject) => {
      reader.once('SIGINT', () => {
        reader.close()
        this.#err.write('\n')
        reject(new UsageError('interrupted'))
      })
      reader.question(`${prompt} (${preset}): `, answer => {
        reader.close()
        resolve(answer.trim() || preset)
      })
    })
  }

  /** Asks twice for a new secret. */
  async newSecret(prompt: string, option: string, descriptor: string | undefined): Promise<string> {
    for (;;) {
      const first = await this.secret(prompt, option, descriptor)
      if (descriptor !== undefined || first === (await this.#ask(`${prompt} again`))) return first
      this.say('the two are not the same')
    }
  }

  /** Whether there is a person to ask. */
  get canAsk(): boolean {
    return this.#in.isTTY === true && this.#err.isTTY === true
  }

  #ask(prompt: string, signal?: AbortSignal): Promise<string> {
    const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
    const reader = createInterface({ input: this.#in, output: silent, terminal: true })
    // Only now does the terminal no longer show what is typed.
    this.#err.write(`${prompt}: `)
    return new Promise((resolve, reject) => {
      const end = () => {
        signal?.removeEventListener('abort', giveUp)
        this.#err.write('\n')
        reader.close()
      }
      const giveUp = () => {
        end()
        reject(new UsageError('not needed any more'))
      }
      signal?.addEventListener('abort', giveUp)
      reader.once('SIGINT', () => {
        end()
        reject(new UsageError('interrupted'))
      })
      reader.question('', answer => {
        end()
        resolve(answer)
      })
      if (signal?.aborted) giveUp()
    })
  }

  /** Starts a progress bar, of items or of bytes. */
  progress(label: string, unit: 'items' | 'bytes' = 'items'): Progress {
    const err = this.#err
    if (!err.isTTY) return { update: () => {}, end: () => {} }
    const show = unit === 'bytes' ? showBytes : (count: number) => String(Math.round(count))
    const started = performance.now()
    let drawn = Number.NEGATIVE_INFINITY
    return {
      update(done, total) {
        const now = performance.now()
        if (now - drawn < BAR_PERIOD_MS && done !== total) return
        drawn = now
        const rate = done / Math.max((now - started) / 1000, 0.001)
        const left = total && rate > 0 ? `  ${showTime((total - done) / rate)} left` : ''
        err.write(
          `\r\x1b[K${label} ${barOf(done, total)} ${show(done)}${total ? ` of ${show(total)}` : ''}  ${show(rate)}/s${left}`,
        )
      },
      end: () => err.write('\r\x1b[K'),
    }
  }
}

function barOf(done: number, total: number | undefined): string {
  if (!total) return ''
  const filled = Math.round((BAR_WIDTH * Math.min(done, total)) / total)
  return `[${'█'.repeat(filled)}${'·'.repeat(BAR_WIDTH - filled)}]`
}

function showBytes(bytes: number): string {
  return bytes < 999_500 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`
}

/** @param seconds - `4:09`, and `1:02:09` from an hour on */
function showTime(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const parts = [Math.floor(whole / 60) % 60, whole % 60].map(part => String(part).padStart(2, '0')).join(':')
  return whole < 3600 ? parts.replace(/^0/, '') : `${Math.floor(whole / 3600)}:${parts}`
}

function showControl(control: string): string {
  return `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`
}

/** The first line that a file descriptor gives. */
async function readDescriptor(descriptor: string, option: string): Promise<string> {
  const fd = /^\d{1,4}$/.test(descriptor) ? Number(descriptor) : Number.NaN
  if (Number.isNaN(fd)) throw new UsageError(`${option} takes the number of a file descriptor`)
  let text = ''
  try {
    for await (const chunk of createReadStream('', { fd, encoding: 'utf8', autoClose: false })) {
      text += chunk
      if (text.includes('\n')) break
      if (text.length > MAX_SECRET) throw new UsageError(`the secret on file descriptor ${fd} is too long`)
    }
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(`file descriptor ${fd} cannot be read`, `open it, as in ${option} ${fd} ${fd}<file`)
  }
  return text.split('\n')[0]!.replace(/\r$/, '')
}
