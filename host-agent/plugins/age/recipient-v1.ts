/**
 * `recipient-v1`: wraps file keys for `age -e -i IDENTITY` (c2sp.org/age-plugin, "Wrapping with recipient-v1"). An identity has its public
 * key, so neither the device nor the enrolment is needed. Recipients have no form of our own: age knows them without us.
 */
import type { Stanza } from '../../../protocol/envelope/age/stanza.ts'
import { FILE_KEY_LENGTH } from '../../../protocol/envelope/age/unwrap.ts'
import type { Conversation } from './conversation.ts'
import { FramingError } from './framing.ts'
import { type AgeIdentity, parseIdentity } from './identity-string.ts'
import { MESSAGES } from './identity-v1.ts'
import { wrapFileKey } from './wrap.ts'

/** age sends one file key. */
const MAX_FILES = 1024
const MAX_RECIPIENTS = 256
/** What recipients are called that may not stand beside others, since the weakest decides. */
const POST_QUANTUM = 'postquantum'

const NO_RECIPIENT =
  'claviger has no recipients of its own\nhint: encrypt to the age1… that claviger age identity KEY prints'
const MIXED =
  'a key against quantum computers is no use beside one that is not\nhint: encrypt to one kind of key'

/** What age wants wrapped, and for whom. */
interface Asked {
  identities: (AgeIdentity | null)[]
  recipients: number
  fileKeys: Uint8Array[]
  /** Whether age wants to know which recipients may stand together. */
  isLabelled: boolean
}

/** @throws FramingError */
export async function wrapFileKeys(conversation: Conversation): Promise<void> {
  const asked = await readAsked(conversation)
  try {
    const failed = await refuse(conversation, asked)
    if (!failed) await wrap(conversation, asked, asked.identities as AgeIdentity[])
  } finally {
    for (const fileKey of asked.fileKeys) fileKey.fill(0)
  }
  await conversation.done()
}

async function refuse(conversation: Conversation, { recipients, identities }: Asked): Promise<boolean> {
  for (let index = 0; index < recipients; index++) await conversation.fail(['recipient', index], NO_RECIPIENT)
  const hasPostQuantum = identities.some(identity => identity?.suite === 'q')
  const faults = identities.map(identity => {
    if (identity === null) return MESSAGES.identity
    return hasPostQuantum && identity.suite !== 'q' ? MIXED : null
  })
  for (const [index, fault] of faults.entries())
    if (fault) await conversation.fail(['identity', index], fault)
  return recipients > 0 || faults.some(fault => fault !== null)
}

async function wrap(
  conversation: Conversation,
  { fileKeys, isLabelled }: Asked,
  identities: readonly AgeIdentity[],
): Promise<void> {
  const wrapped: [file: number, stanza: Stanza][] = []
  for (const [file, fileKey] of fileKeys.entries())
    for (const [index, identity] of identities.entries())
      try {
        wrapped.push([file, wrapFileKey(identity, fileKey)])
      } catch {
        return conversation.fail(['identity', index], MESSAGES.identity)
      }
  if (isLabelled && identities.some(({ suite }) => suite === 'q'))
    await conversation.ask(['labels', POST_QUANTUM])
  for (const [file, { args, body }] of wrapped)
    await conversation.ask(['recipient-stanza', String(file), ...args], body)
}

async function readAsked(conversation: Conversation): Promise<Asked> {
  const asked: Asked = { identities: [], recipients: 0, fileKeys: [], isLabelled: false }
  for await (const { args, body } of conversation.commands()) {
    const [command, text = ''] = args
    if (command === 'add-identity') asked.identities.push(parseIdentity(text))
    else if (command === 'add-recipient') asked.recipients++
    else if (command === 'extension-labels') asked.isLabelled = true
    else if (command === 'wrap-file-key') {
      if (body.length !== FILE_KEY_LENGTH) throw new FramingError('a file key has a wrong length')
      asked.fileKeys.push(body)
    }
    const { identities, recipients, fileKeys } = asked
    if (identities.length + recipients > MAX_RECIPIENTS || fileKeys.length > MAX_FILES)
      throw new FramingError('there are too many recipients')
  }
  return asked
}
