/**
 * Items that are no token of ours and no value of an imported key's own form: JWE, sealed boxes of libsodium, stanzas of age, and
 * public keys to agree with. What a key is for says which of them it opens ({@link ../../protocol/api/routes.ts}, `KEY_USES`).
 */
import { ClavigerError } from '../../protocol/api/errors.ts'
import { AGE_FIELD, type ForeignForm, type KeyUse } from '../../protocol/api/routes.ts'
import { parseStanza } from '../../protocol/envelope/age/stanza.ts'
import { AGE_SUITES, isMeantFor, openAgeStanza, readAgeStanza } from '../../protocol/envelope/age/unwrap.ts'
import type { Context } from '../../protocol/envelope/context.ts'
import { deriveRaw, readPeerKey } from '../../protocol/envelope/derive.ts'
import { ContextError, OpenError } from '../../protocol/envelope/errors.ts'
import { poolShare } from '../../protocol/envelope/field.ts'
import { openJwe, openJweInPool } from '../../protocol/envelope/jwe-open.ts'
import { type Jwe, looksLikeJwe, parseJwe } from '../../protocol/envelope/jwe-read.ts'
import { parseKeyId } from '../../protocol/envelope/key-id.ts'
import type { FieldPrivateKey } from '../../protocol/envelope/keys.ts'
import type { LegacyPrivateKey } from '../../protocol/envelope/legacy.ts'
import { keptFields, splitPayload } from '../../protocol/envelope/legacy-payload.ts'
import { openSealedBox, readSealedBox } from '../../protocol/envelope/sealed-box.ts'
import { parseToken } from '../../protocol/envelope/token.ts'
import type { Asked, Wanted } from './asked.ts'
import { countedRecord, LEGACY_VERSION } from './policy/replay.ts'
import { currentOf, type Key, type KeyVersion, mayOpen, type Unlocked } from './unlocked.ts'

/** Opens one item; the parts are the caller's to zero. */
export interface Opener {
  /** On this thread. Throws OpenError. */
  (): Uint8Array[]
  /** The thread pool, where it can have one of a batch. */
  pool?: {
    /** How many copies of the key it works with. */
    lanes: number
    /** Rejects with OpenError. */
    open(): Promise<Uint8Array[]>
  }
}

/** How many are in the thread pool at once; others may have something to open as well. */
const ROUND = 128

/** ms of private-key operations after which the event loop gets its turn. */
const ROUND_MS = 10

/** Which copy of a key the pool works with next: those who share one take turns. */
let nextLane = 0

/**
 * Reads an item of one of these forms.
 * @returns `null` for one of another form: a token, or what an imported key opens by its own rule
 * @throws TokenError `bad-token`; ContextError `bad-context`; KeyError `bad-key`
 */
export function readForeign(namespace: string, unlocked: Unlocked, item: Wanted): Asked | null {
  const [text, , , how, , keyRef] = item
  if (how === 'derive') return readDerive(unlocked, item)
  if (text.startsWith('-> ')) return readStanza(unlocked, item)
  if (looksLikeJwe(text)) return readJwe(namespace, unlocked, item)
  if (keyRef === undefined) return null
  const named = nameOf(keyRef)
  const known = unlocked.keys.get(named.key)
  return known && known.suite !== 'rsa' ? readBox(known, named.version, item) : null
}

/**
 * Opens what is ready, with pauses for others. Of a batch the pool has its share of the private-key operations, in one go and first, where that is
 * possible; this thread has the others, and the rest of all.
 * @returns for each its parts, or why there are none, in order. Never rejects.
 */
export async function openForeign(openers: readonly Opener[]): Promise<(Uint8Array[] | OpenError)[]> {
  const results: (Uint8Array[] | OpenError)[] = []
  for (let start = 0; start < openers.length; start += ROUND) {
    const round = openers.slice(start, start + ROUND)
    let credit = 0
    const inPool = round.map(({ pool }) => {
      // one alone is opened here: the way to the pool and back costs more than it gains
      if (!pool || openers.length === 1) return null
      credit += poolShare(pool.lanes)
      if (credit < 1) return null
      credit -= 1
      return pool.open().catch(asOpenError)
    })
    const own = await openHere(round.filter((_, i) => !inPool[i]))
    const next = own.values()
    for (const waiting of inPool) results.push(waiting ? await waiting : next.next().value!)
  }
  return results
}

async function openHere(openers: readonly Opener[]): Promise<(Uint8Array[] | OpenError)[]> {
  const results: (Uint8Array[] | OpenError)[] = []
  let since = performance.now()
  for (const open of openers) {
    if (performance.now() - since > ROUND_MS) {
      await new Promise(setImmediate)
      since = performance.now()
    }
    try {
      results.push(open())
    } catch (cause) {
      results.push(asOpenError(cause))
    }
  }
  return results
}

function asOpenError(cause: unknown): OpenError {
  return cause instanceof OpenError ? cause : new OpenError({ cause })
}

/** What is told of an item before it is decided. */
function asked(form: ForeignForm, item: Wanted, key: string, version: string, ready: Asked['ready']): Asked {
  const [, field, record] = item
  return { key, version, record: countedRecord(version, record, form), fields: [field], form, ready }
}

function readJwe(namespace: string, { keys }: Unlocked, item: Wanted): Asked {
  const [text, field, record, , , keyRef] = item
  const jwe = parseJwe(text)
  const named = keyRef === undefined ? jwe.kid !== null && parseKeyId(jwe.kid) : nameOf(keyRef)
  // One for which neither it nor the request names a key of ours is refused like any text that is no token.
  const { key, version } = named || parseToken(text)
  const known = keys.get(key)
  const found = known && versionOf(known, version)
  const form = jwe.clv ? 'jwe' : 'jwe-unbound'
  const label = known?.suite === 'rsa' ? LEGACY_VERSION : labelOf(found, version)
  return asked(form, item, key, label, () => {
    if (!known || !found) return {}
    if (!opensJwe(known, found, field, jwe.clv !== null)) return 'wrong-use'
    if (!mayOpen(known, found)) return 'key-retired'
    const { privateKey } = found
    const context = { namespace, key, field, record }
    if (privateKey.suite === 'rsa') return { foreign: () => openByRule(privateKey, jwe, context) }
    const foreign: Opener = () => [openJwe(privateKey, jwe, context)]
    const { lanes } = privateKey
    if (lanes.length > 0)
      foreign.pool = {
        lanes: lanes.length,
        open: async () => [await openJweInPool(lanes[nextLane++ % lanes.length]!, jwe, context)],
      }
    return { foreign }
  })
}

/** An imported key opens nothing but what its rule lets through, in whatever it was wrapped. */
function openByRule(privateKey: LegacyPrivateKey, jwe: Jwe, context: Context): Uint8Array[] {
  const value = openJwe(privateKey, jwe, context)
  const parts = splitPayload(privateKey.form, value)
  value.fill(0)
  if (parts === null) throw new OpenError({ cause: new TypeError('the payload has another form') })
  return parts
}

/** An imported key opens a JWE of its own padding, and one value in it; none that is bound by its label instead. */
function opensJwe(known: Key, { privateKey }: KeyVersion, field: string, isBound: boolean): boolean {
  if (privateKey.suite !== 'rsa') return isBound ? opensFields(known.use) : known.use === 'contextless'
  const { padding, label, bound, fields } = privateKey.form
  const [kept] = keptFields(privateKey.form)
  return padding === 'oaep-sha256' && !label && !bound && fields.length === 1 && kept === field
}

function readBox(known: Key, version: number | null, item: Wanted): Asked {
  const box = readSealedBox(item[0])
  const found = versionOf(known, version)
  return asked('sealed-box', item, known.name, labelOf(found, version), () => {
    const privateKey = found && madeHere(found)
    if (known.use !== 'contextless') return 'wrong-use'
    if (!privateKey) return {}
    return mayOpen(known, found) ? { foreign: () => [openSealedBox(privateKey, box)] } : 'key-retired'
  })
}

function readStanza({ keys }: Unlocked, item: Wanted): Asked {
  const [text, field, , , , keyRef] = item
  if (keyRef === undefined) throw new ContextError('a stanza of age needs the name of its key')
  if (field !== AGE_FIELD) throw new ContextError(`a stanza of age is asked for as ${AGE_FIELD}`)
  const stanza = readAgeStanza(parseStanza(text))
  const { key, version } = nameOf(keyRef)
  const known = keys.get(key)
  const isFor = ({ privateKey }: KeyVersion) =>
    stanza !== null &&
    privateKey.suite !== 'rsa' &&
    isMeantFor(stanza, privateKey.suite, privateKey.publicKey)
  // A tag says which version it is for; without one it is the newest, unless told.
  const found =
    known &&
    (version === null && stanza?.tag ? [...known.versions.values()].find(isFor) : versionOf(known, version))
  return asked('age', item, key, labelOf(found ?? (known && currentOf(known)), version), () => {
    if (!known) return {}
    if (known.use !== 'files') return 'wrong-use'
    if (stanza === null || AGE_SUITES[stanza.type] !== known.suite) return 'not-mine'
    if (!found) return version === null ? 'not-mine' : {}
    const privateKey = madeHere(found)
    if (!privateKey || !isFor(found)) return 'not-mine'
    return mayOpen(known, found) ? { foreign: () => [openAgeStanza(privateKey, stanza)] } : 'key-retired'
  })
}

function readDerive({ keys }: Unlocked, item: Wanted): Asked {
  const peer = readPeerKey(item[0])
  const { key, version } = nameOf(item[5] ?? '')
  const known = keys.get(key)
  const found = known && versionOf(known, version)
  return asked('derive', item, key, labelOf(found, version), () => {
    if (!known) return {}
    if (known.use !== 'derive') return 'wrong-use'
    const privateKey = found && madeHere(found)
    if (!privateKey) return {}
    return mayOpen(known, found) ? { foreign: () => [deriveRaw(privateKey, peer)] } : 'key-retired'
  })
}

/** Whether a key of this use opens what is bound to its place. */
export function opensFields(use: KeyUse): boolean {
  return use === 'fields' || use === 'contextless'
}

/** The gate let no other text through. */
function nameOf(keyRef: string): { key: string; version: number | null } {
  const named = parseKeyId(keyRef)
  if (!named) throw new ClavigerError('malformed-request', 'this is not the name of a key')
  return named
}

function versionOf(key: Key, version: number | null): KeyVersion | undefined {
  return version === null ? currentOf(key) : key.versions.get(version)
}

/** For the log; a version that is not there is called what it was asked as. */
function labelOf(found: KeyVersion | undefined, version: number | null): string {
  return String(found?.version ?? version ?? 0)
}

function madeHere({ privateKey }: KeyVersion): FieldPrivateKey | null {
  return privateKey.suite === 'rsa' ? null : privateKey
}
