/**
 * A source of keys: whoever opens sealed fields for this machine (docs/key-sources.md). All code above it is the same for an
 * appliance, a key file and a passphrase, so that one can be put in another's place and the shop notices nothing.
 */
import { ClavigerError } from '../../../protocol/api/errors.ts'
import type {
  DecryptAnswer,
  DecryptBody,
  KeyInfo,
  RewrapAnswer,
  RewrapBody,
} from '../../../protocol/api/schemas.ts'

/** `appliance`: a device. `local`: an encrypted file. `manual`: a passphrase that somebody types. */
export type SourceKind = 'appliance' | 'local' | 'manual'

/** A key of a source; the newest version is last. Its public keys are what the shop's server seals with. */
export interface SourceKey {
  name: string
  suite: KeyInfo['suite']
  versions: Pick<KeyInfo['versions'][number], 'version' | 'publicKey' | 'opens'>[]
}

/** An answer without its place in the log, where there is no log. */
export type Unlogged<Answer extends { audit: unknown }> = Omit<Answer, 'audit'> &
  Partial<Pick<Answer, 'audit'>>

/**
 * A source of keys that is ready to open. Bodies, results and codes of both operations are those of the appliance's routes: one
 * bad item never fails a batch, and a body that the route would refuse is refused with `malformed-request`.
 */
export interface KeySource {
  readonly kind: SourceKind
  listKeys(): Promise<SourceKey[]>
  decrypt(body: DecryptBody): Promise<Unlogged<DecryptAnswer>>
  /**
   * Seals again, under the newest version of a key of this source.
   *
   * @param under - public key of another source instead, for moving to it; an appliance refuses that, because it seals under its
   * own keys only
   * @throws SourceError `bad-key` for a public key that cannot be used, or whose tokens could not be told from this source's
   */
  rewrap(body: RewrapBody, under?: string): Promise<Unlogged<RewrapAnswer>>
  /** Forgets what it held; what is asked after that is refused with `bad-source`. */
  close(): Promise<void>
}

/**
 * A source that cannot be used: `bad-source`, `key-file-refused`, `storage-failed`, `bad-key`, `unknown-key`, `key-exists`,
 * `malformed-request`.
 */
export class SourceError extends ClavigerError {}

/** What a source says that was closed. */
export const closedSource = () => new SourceError('bad-source', 'the source of keys was closed')

const WITHOUT =
  'no budget limits how much is opened, no log tells of it, no button or second machine is asked'

/** What whoever uses a source has to know, one line each; nothing where the device takes care of it. */
export const RISKS: Readonly<Record<SourceKind, readonly string[]>> = {
  appliance: [],
  local: [
    'the keys are on this machine: who takes it over reads every sealed field of the shop, from the next time the passphrase is typed',
    WITHOUT,
    'who loses the file or its passphrase can open nothing again: keep a copy elsewhere',
  ],
  manual: [
    'the passphrase is the key: who learns it, or guesses it, reads every sealed field of the shop, from anywhere and for ever',
    'every copy of the public key lets its holder try passphrases without anybody noticing',
    WITHOUT,
  ],
}
