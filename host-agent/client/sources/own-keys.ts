/**
 * Opening with private keys in this process, item by item as the appliance does it: parse → place → forbidden → open → reveal,
 * with the same codes. Grants, budgets, canaries and the log are the appliance's alone.
 */
import { availableParallelism } from 'node:os'
import { Check } from 'typebox/value'
import type { ErrorCode } from '../../../protocol/api/errors.ts'
import {
  type DecryptAnswer,
  DecryptBody,
  type RewrapAnswer,
  RewrapBody,
} from '../../../protocol/api/schemas.ts'
import { contextInfo } from '../../../protocol/envelope/context.ts'
import { OpenError } from '../../../protocol/envelope/errors.ts'
import { type OpenItem, openFields, sealField } from '../../../protocol/envelope/field.ts'
import { ForbiddenFieldError, isForbiddenField } from '../../../protocol/envelope/forbidden.ts'
import { type FieldPrivateKey, importPrivateKey } from '../../../protocol/envelope/keys.ts'
import {
  formatPublicKey,
  type PublicKey,
  parsePublicKey,
  parseToken,
} from '../../../protocol/envelope/token.ts'
import type { KeyRing } from './key-ring.ts'
import { codeOf, malformed, optionsOf, resultOf } from './own-answer.ts'
import { closedSource, type KeySource, SourceError, type SourceKey, type Unlogged } from './source.ts'

/** Threads that open beside this one: the pool has four unless told. */
const LANES = Math.min(3, availableParallelism() - 1)
/** Fields that are sealed before the event loop gets its turn. */
const ROUND = 32

interface OwnKey {
  suite: FieldPrivateKey['suite']
  /** By version, oldest first. */
  versions: Map<number, { privateKey: FieldPrivateKey; publicKey: PublicKey }>
}

/** A source whose private keys are KeyObjects of this process. */
export class OwnKeys implements KeySource {
  readonly kind: KeySource['kind']
  readonly #namespace: string
  readonly #keys = new Map<string, OwnKey>()
  #isOpen = true

  /**
   * @param ring - the caller's to zero
   * @throws KeyError `bad-key`
   */
  constructor(kind: KeySource['kind'], { namespace, keys }: KeyRing) {
    this.kind = kind
    this.#namespace = namespace
    for (const { name, suite, versions } of keys) {
      const own: OwnKey = { suite, versions: new Map() }
      for (const { version, pkcs8 } of versions) {
        const privateKey = importPrivateKey(suite, pkcs8, LANES)
        const publicKey = { suite, namespace, key: name, version, bytes: privateKey.publicKey }
        own.versions.set(version, { privateKey, publicKey })
      }
      this.#keys.set(name, own)
    }
  }

  async listKeys(): Promise<SourceKey[]> {
    if (!this.#isOpen) throw closedSource()
    return [...this.#keys].map(([name, { suite, versions }]) => ({
      name,
      suite,
      versions: [...versions].map(([version, { publicKey }]) => ({
        version,
        publicKey: formatPublicKey(publicKey),
        opens: true,
      })),
    }))
  }

  async close(): Promise<void> {
    this.#isOpen = false
    this.#keys.clear()
  }

  /** @throws SourceError `malformed-request` for a body that the appliance's route refuses */
  async decrypt(body: DecryptBody): Promise<Unlogged<DecryptAnswer>> {
    if (!this.#isOpen) throw closedSource()
    if (!Check(DecryptBody, body)) throw malformed()
    const options = body.items.map(optionsOf)
    const opened = await this.#open(
      body.items.map(({ ciphertext, context, key, reveal: mode }) =>
        mode === 'forward' ? 'unknown-recipient' : this.#find(ciphertext, context.field, context.record, key),
      ),
    )
    try {
      return { results: body.items.map((item, i) => resultOf(item, options[i]!, opened[i]!)) }
    } finally {
      zero(opened)
    }
  }

  /**
   * Every plaintext is in this process only, and zeroed before this returns.
   *
   * @param under - public key of another source to seal under, instead of the newest version of a key of this one
   * @throws SourceError `malformed-request`, `bad-key`; KeyError `bad-key`
   */
  async rewrap(body: RewrapBody, under?: string): Promise<Unlogged<RewrapAnswer>> {
    if (!this.#isOpen) throw closedSource()
    if (!Check(RewrapBody, body) || (under !== undefined && body.target !== undefined)) throw malformed()
    // An item has the field of its token, or the key of its envelope, as on the appliance.
    if (body.items.some(({ key, context }) => (key === undefined) !== (context.field !== undefined)))
      throw malformed()
    const foreign = under === undefined ? undefined : this.#foreign(under)
    const opened = await this.#open(
      body.items.map(({ ciphertext, context: { field = '', record }, key }) =>
        this.#find(ciphertext, field, record, key),
      ),
    )
    try {
      const results: RewrapAnswer['results'] = []
      for (const [i, item] of body.items.entries()) {
        if (i % ROUND === ROUND - 1) await new Promise(setImmediate)
        const { field = '', record } = item.context
        const sealed = this.#seal(opened[i]!, item.ciphertext, { field, record }, foreign ?? body.target)
        const named = item.ref === undefined ? {} : { ref: item.ref }
        results.push(
          sealed.token === undefined
            ? { ...named, error: { code: sealed.code } }
            : { ...named, tokens: [{ field, token: sealed.token }] },
        )
      }
      return { results }
    } finally {
      zero(opened)
    }
  }

  /** What opens an item, or why nothing does. */
  #find(ciphertext: string, field: string, record: string, imported?: string): OpenItem | ErrorCode {
    // A shop's own encryption is opened by imported keys, which only the appliance has.
    if (imported !== undefined) return 'unknown-key'
    try {
      const token = parseToken(ciphertext)
      const context = { namespace: this.#namespace, key: token.key, field, record }
      contextInfo(context)
      if (isForbiddenField(field)) throw new ForbiddenFieldError(field)
      const own = this.#keys.get(token.key)
      if (!own) return 'unknown-key'
      const found = own.versions.get(token.version)
      if (!found || own.suite !== token.suite) return 'open-failed'
      return { privateKey: found.privateKey, token, context }
    } catch (error) {
      return codeOf(error)
    }
  }

  async #open(found: readonly (OpenItem | ErrorCode)[]): Promise<(Uint8Array | ErrorCode)[]> {
    const opened = await openFields(found.filter(item => typeof item !== 'string'))
    let next = 0
    return found.map(item => {
      if (typeof item === 'string') return item
      const result = opened[next++]!
      return result instanceof OpenError ? result.code : result
    })
  }

  #seal(
    opened: Uint8Array | ErrorCode,
    ciphertext: string,
    place: { field: string; record: string },
    target: PublicKey | string | undefined,
  ): { token: string } | { token?: undefined; code: ErrorCode } {
    if (typeof opened === 'string') return { code: opened }
    try {
      const own =
        typeof target === 'object' ? undefined : this.#keys.get(target ?? parseToken(ciphertext).key)
      const publicKey =
        typeof target === 'object' ? target : [...(own?.versions.values() ?? [])].at(-1)?.publicKey
      return publicKey ? { token: sealField(publicKey, place, opened) } : { code: 'unknown-key' }
    } catch (error) {
      return { code: codeOf(error) }
    }
  }

  /**
   * A token says the name and version of its key, not the key itself. Under a name that is used here already, nobody could tell
   * which rows were moved.
   */
  #foreign(text: string): PublicKey {
    const publicKey = parsePublicKey(text)
    if (this.#keys.has(publicKey.key))
      throw new SourceError('bad-key', `there is a key named ${publicKey.key} in both sources`, {
        hint: 'make the new key under another name, so that each row tells under which it is sealed',
      })
    return publicKey
  }
}

function zero(opened: readonly (Uint8Array | ErrorCode)[]): void {
  for (const plaintext of opened) if (typeof plaintext !== 'string') plaintext.fill(0)
}
