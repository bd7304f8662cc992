/** The state machines of the plugin by their names, for its own process and for the agent (docs/formats/tunnel.md, `age`). */
import { Conversation } from './conversation.ts'
import { FramingError } from './framing.ts'

type Machine = (conversation: Conversation) => Promise<void>

/** Each is loaded when it is asked for: age starts a process for every file. */
const MACHINES: Readonly<Record<string, Machine>> = {
  'identity-v1': async conversation => {
    const [{ unwrapFileKeys }, { deviceOpener }] = await Promise.all([
      import('./identity-v1.ts'),
      import('./device.ts'),
    ])
    const opener = deviceOpener(process.env, conversation)
    try {
      await unwrapFileKeys(conversation, opener)
    } finally {
      opener.close()
    }
  },
  'recipient-v1': async conversation => {
    const { wrapFileKeys } = await import('./recipient-v1.ts')
    await wrapFileKeys(conversation)
  },
}

export function isMachine(name: string): boolean {
  return Object.hasOwn(MACHINES, name)
}

/**
 * One run. Never rejects.
 * @param name - one that {@link isMachine}
 * @returns why it ended too early, `null` when it did not
 */
export async function runMachine(
  name: string,
  input: AsyncIterable<Uint8Array>,
  write: (bytes: Uint8Array) => void,
): Promise<string | null> {
  const conversation = new Conversation(input, write)
  try {
    await MACHINES[name]!(conversation)
    return null
  } catch (error) {
    if (error instanceof FramingError) return error.message
    const told = `this should not have happened: ${(error as Error).name}`
    await conversation
      .fail(['internal'], told)
      .then(() => conversation.done())
      .catch(() => {})
    return told
  }
}
