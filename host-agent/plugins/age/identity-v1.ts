/**
 * `identity-v1`: file keys out of the stanzas of a file (c2sp.org/age-plugin, "Unwrapping with identity-v1"). What can be told without the
 * device is told first, so that no file for somebody else reaches it where its stanza says so.
 */
import { ClavigerError } from '../../../protocol/api/errors.ts'
import { formatStanza } from '../../../protocol/envelope/age/stanza.ts'
import {
  AGE_SUITES,
  type AgeStanza,
  isMeantFor,
  readAgeStanza,
} from '../../../protocol/envelope/age/unwrap.ts'
import { TokenError } from '../../../protocol/envelope/errors.ts'
import type { Conversation } from './conversation.ts'
import { FramingError } from './framing.ts'
import { type AgeIdentity, parseIdentity } from './identity-string.ts'

/** What holds the keys. */
export interface Opener {
  /**
   * @param stanza - as text
   * @returns the file key, which the caller zeroes; `null` where the stanza does not open with this key
   * @throws ClavigerError where the device refuses, or cannot be asked
   */
  open(identity: AgeIdentity, stanza: string): Promise<Uint8Array | null>
}

/** A stanza of a type that is opened, and which of its file it is. */
interface Known {
  readonly index: number
  readonly stanza: AgeStanza
  readonly text: string
}

interface File {
  readonly index: number
  stanzas: number
  readonly known: Known[]
  /** Those of a known type that are not as that type is. */
  readonly malformed: number[]
}

interface Asked {
  /** `null` for what is none of ours. */
  readonly identities: (AgeIdentity | null)[]
  readonly files: File[]
}

/** age sends one file at a time and one identity; a run that asks for more than this is no honest one. */
const MAX_FILES = 1024
const MAX_IDENTITIES = 256
const MAX_KNOWN = 4096

/** Messages that are the same for whatever the reason. */
export const MESSAGES = {
  identity: 'this is not an identity of claviger\nhint: claviger age identity KEY prints one',
  malformed: 'the stanza is not as its type says: the file is damaged',
  damaged: 'the stanza is for this key, and does not open: the file is damaged',
} as const

/** @throws FramingError */
export async function unwrapFileKeys(conversation: Conversation, opener: Opener): Promise<void> {
  const { identities, files } = await readAsked(conversation)
  const strangers = identities.flatMap((identity, index) => (identity ? [] : [index]))
  for (const index of strangers) await conversation.fail(['identity', index], MESSAGES.identity)
  if (strangers.length === 0) await openFiles(conversation, opener, identities as AgeIdentity[], files)
  await conversation.done()
}

async function openFiles(
  conversation: Conversation,
  opener: Opener,
  identities: readonly AgeIdentity[],
  files: readonly File[],
): Promise<void> {
  /** Why an identity could not be used; it is not tried again in this run. */
  const refusals = new Map<number, string>()
  const concerned = new Set<number>()
  for (const file of files) {
    for (const index of file.malformed)
      await conversation.fail(['stanza', file.index, index], MESSAGES.malformed)
    if (file.malformed.length > 0) continue
    const { fileKey, damaged, tried } = await openFile(opener, identities, file, refusals)
    if (fileKey) {
      await conversation.ask(['file-key', String(file.index)], fileKey)
      fileKey.fill(0)
    } else if (damaged !== null) await conversation.fail(['stanza', file.index, damaged], MESSAGES.damaged)
    else for (const index of tried) concerned.add(index)
  }
  for (const [index, message] of refusals)
    if (concerned.has(index)) await conversation.fail(['identity', index], message)
}

/** What became of a file: its key, or the stanza that should have opened, or the identities that its stanzas may be for. */
interface Outcome {
  fileKey: Uint8Array | null
  damaged: number | null
  tried: Set<number>
}

async function openFile(
  opener: Opener,
  identities: readonly AgeIdentity[],
  { known }: File,
  refusals: Map<number, string>,
): Promise<Outcome> {
  const outcome: Outcome = { fileKey: null, damaged: null, tried: new Set() }
  for (const [at, identity] of identities.entries())
    for (const { index, stanza, text } of known) {
      if (!isFor(stanza, identity)) continue
      outcome.tried.add(at)
      if (refusals.has(at)) continue
      try {
        outcome.fileKey = await opener.open(identity, text)
      } catch (error) {
        if (!(error instanceof ClavigerError)) throw error
        refusals.set(at, error.hint ? `${error.message}\nhint: ${error.hint}` : error.message)
        continue
      }
      if (outcome.fileKey) return outcome
      if (stanza.tag) return { ...outcome, damaged: index }
    }
  return outcome
}

function isFor(stanza: AgeStanza, { suite, publicKey }: AgeIdentity): boolean {
  return AGE_SUITES[stanza.type] === suite && isMeantFor(stanza, suite, publicKey)
}

async function readAsked(conversation: Conversation): Promise<Asked> {
  const asked: Asked = { identities: [], files: [] }
  let known = 0
  for await (const { args, body } of conversation.commands()) {
    const [command, first = '', ...rest] = args
    if (command === 'add-identity') {
      if (asked.identities.push(parseIdentity(first)) > MAX_IDENTITIES)
        throw new FramingError('there are too many identities')
    } else if (command === 'recipient-stanza') {
      const file = fileOf(asked.files, first)
      const [type] = rest
      if (type === undefined) throw new FramingError('a stanza has no type')
      const index = file.stanzas++
      const stanza = readKnown({ args: [type, ...rest.slice(1)], body })
      if (stanza === null) continue
      if (++known > MAX_KNOWN) throw new FramingError('there are too many stanzas')
      if (stanza === 'malformed') file.malformed.push(index)
      else file.known.push({ index, ...stanza })
    }
  }
  return asked
}

/** The file of a number: the newest, or one that begins. @throws FramingError */
function fileOf(files: File[], text: string): File {
  const index = /^(?:0|[1-9]\d{0,8})$/.test(text) ? Number(text) : -1
  const last = files.at(-1)
  if (last?.index === index) return last
  if (index < 0 || (last && index < last.index)) throw new FramingError('the files are not in their order')
  const file = { index, stanzas: 0, known: [], malformed: [] }
  if (files.push(file) > MAX_FILES) throw new FramingError('there are too many files')
  return file
}

/** @returns `null` for a stanza of another type, which is for somebody else */
function readKnown(stanza: Parameters<typeof readAgeStanza>[0]): Omit<Known, 'index'> | 'malformed' | null {
  try {
    const read = readAgeStanza(stanza)
    return read && { stanza: read, text: formatStanza(stanza) }
  } catch (error) {
    if (error instanceof TokenError) return 'malformed'
    throw error
  }
}
