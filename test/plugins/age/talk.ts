/** The plugin without a process: what age says to it, and what it answers. */
import { Conversation } from '../../../host-agent/plugins/age/conversation.ts'
import { StanzaReader } from '../../../host-agent/plugins/age/framing.ts'
import { formatStanza, type Stanza } from '../../../protocol/envelope/age/stanza.ts'

/** How age answers a command. */
export type Reply = (stanza: Stanza) => Stanza | null

export const stanza = (args: readonly string[], body: Uint8Array | string = ''): Stanza => ({
  args: args as [string, ...string[]],
  body: typeof body === 'string' ? Buffer.from(body) : body,
})

export const OK: Reply = () => stanza(['ok'])

/** How a run is held. */
interface Held {
  reply?: Reply
  /** Of the pieces in which everything arrives, bytes. */
  size?: number
}

/**
 * Runs a state machine.
 *
 * @param said - by age, before its `done`
 * @returns everything that the plugin said, without its `done`
 * @throws what the machine throws; Error where it did not end with `done`
 */
export function talk(
  machine: (conversation: Conversation) => Promise<void>,
  said: readonly Stanza[],
  held: Held = {},
): Promise<Stanza[]> {
  return talkBytes(machine, Buffer.from([...said, stanza(['done'])].map(formatStanza).join('')), held)
}

/** As {@link talk}, with whatever bytes come first. */
export async function talkBytes(
  machine: (conversation: Conversation) => Promise<void>,
  said: Uint8Array,
  { reply = OK, size = Number.POSITIVE_INFINITY }: Held = {},
): Promise<Stanza[]> {
  const waiting: Uint8Array[] = []
  const send = (bytes: Uint8Array) => {
    for (let at = 0; at < bytes.length; at += size) waiting.push(bytes.subarray(at, at + size))
  }
  const heard: Stanza[] = []
  const reader = new StanzaReader()
  // Answers are there before they are waited for, so that nothing left means that age is gone.
  const input = (async function* () {
    for (let next = waiting.shift(); next; next = waiting.shift()) yield next
  })()
  const conversation = new Conversation(input, bytes => {
    for (const each of reader.push(bytes)) {
      heard.push(each)
      const answer = each.args[0] === 'done' ? null : reply(each)
      if (answer) send(Buffer.from(formatStanza(answer)))
    }
  })
  send(said)
  await machine(conversation)
  if (heard.pop()?.args[0] !== 'done') throw new Error('the plugin did not say that it is done')
  return heard
}
