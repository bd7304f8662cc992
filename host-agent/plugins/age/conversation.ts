/**
 * One run of the plugin as it talks with age (c2sp.org/age-plugin, "Phases"): age's commands come first and are only listened to, then
 * ours go out, and each waits for its answer.
 */
import { formatStanza, type Stanza } from '../../../protocol/envelope/age/stanza.ts'
import { FramingError, StanzaReader } from './framing.ts'

/** What an answer says; of another command age may also say `unsupported`. */
export interface Answer {
  readonly isOk: boolean
  /** The caller zeroes it where it is a secret. */
  readonly body: Uint8Array
}

/** What of a run an error is about. */
export type Subject =
  | ['identity' | 'recipient', index: number]
  | ['stanza', file: number, index: number]
  | ['internal']

const EMPTY = new Uint8Array(0)

export class Conversation {
  readonly #input: AsyncIterator<Uint8Array>
  readonly #write: (bytes: Uint8Array) => void
  readonly #reader = new StanzaReader()
  #read: Stanza[] = []
  /** The answer to the last command: commands go out one at a time. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(input: AsyncIterable<Uint8Array>, write: (bytes: Uint8Array) => void) {
    this.#input = input[Symbol.asyncIterator]()
    this.#write = write
  }

  /** age's commands, until it is done. Those that nobody knows are for the listener to pass over. @throws FramingError */
  async *commands(): AsyncGenerator<Stanza> {
    for (;;) {
      const stanza = await this.#next()
      if (stanza.args[0] === 'done') return
      yield stanza
    }
  }

  /** @throws FramingError */
  ask(args: readonly [string, ...string[]], body: Uint8Array = EMPTY): Promise<Answer> {
    const answer = this.#last.then(async () => {
      this.#write(Buffer.from(formatStanza({ args, body })))
      const { args: said, body: told } = await this.#next()
      return { isOk: said[0] === 'ok', body: told }
    })
    this.#last = answer.catch(() => {})
    return answer
  }

  /** Shows a message to the person, where there is one to see it. */
  async say(message: string): Promise<void> {
    await this.ask(['msg'], Buffer.from(message))
  }

  /** @returns what the person typed, `null` where there is nobody to ask. @throws FramingError */
  async secret(prompt: string): Promise<string | null> {
    const { isOk, body } = await this.ask(['request-secret'], Buffer.from(prompt))
    const text = isOk ? Buffer.from(body).toString('utf8') : null
    body.fill(0)
    return text
  }

  async fail(subject: Subject, message: string): Promise<void> {
    await this.ask(['error', ...subject.map(String)], Buffer.from(message))
  }

  /** Ends the run, after everything that was said. */
  async done(): Promise<void> {
    await this.#last
    this.#write(Buffer.from(formatStanza({ args: ['done'], body: EMPTY })))
  }

  async #next(): Promise<Stanza> {
    for (;;) {
      const stanza = this.#read.shift()
      if (stanza) return stanza
      const { done, value } = await this.#input.next()
      if (done) throw new FramingError('age went away before it was done')
      this.#read = this.#reader.push(value)
    }
  }
}
