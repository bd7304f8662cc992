/**
 * Which source somebody chose, as text: `local:FILE`, `manual:NAME`, `manual:clvp1:…`, or the name of an enrolment with an
 * appliance. An enrolment's name holds no colon, so no text has two meanings.
 */
import { isName } from '../../../protocol/envelope/context.ts'
import { parsePublicKey } from '../../../protocol/envelope/token.ts'
import type { Appliance } from '../appliance.ts'
import { applianceSource } from './appliance.ts'
import type { ManualKey } from './manual.ts'
import { type KeySource, SourceError } from './source.ts'

/** A source before it is opened. */
export type SourceChoice =
  | { kind: 'appliance'; profile: string }
  | { kind: 'local'; path: string }
  | { kind: 'manual'; key: ManualKey }

const DEFAULT_NAMESPACE = 'default'
const FORMS = 'write local:FILE, manual:NAME, manual:clvp1:… or the name of an enrolment'

/** @throws SourceError `bad-source`; KeyError `bad-key` for `manual:clvp1:…` that is no public key */
export function parseSource(text: string): SourceChoice {
  const colon = text.indexOf(':')
  const [kind, rest] = colon === -1 ? [null, text] : [text.slice(0, colon), text.slice(colon + 1)]
  if (kind === 'local' && rest !== '' && !rest.includes('\0')) return { kind, path: rest }
  if (kind === 'manual') return { kind, key: manualKeyOf(rest) }
  if (kind === null && isName(rest)) return { kind: 'appliance', profile: rest }
  throw new SourceError('bad-source', `${text} is no source of keys`, { hint: FORMS })
}

function manualKeyOf(text: string): ManualKey {
  if (isName(text)) return { namespace: DEFAULT_NAMESPACE, name: text }
  const publicKey = parsePublicKey(text)
  const { suite, namespace, key, version } = publicKey
  if (suite !== 'x' || version !== 1)
    throw new SourceError('bad-source', 'no passphrase gives such a key', {
      hint: 'the public key of a typed key begins with clvp1:x: and has version 1',
    })
  return { namespace, name: key, publicKey }
}

/** What opening a source may need of its user. */
export interface Opening {
  /** Asked for once, where the kind needs one. */
  passphrase(choice: Exclude<SourceChoice, { kind: 'appliance' }>): Promise<string>
  connect(profile: string): Promise<Appliance>
}

/**
 * Code of the kinds that are not chosen is not loaded: with an appliance nothing here opens by itself.
 *
 * @throws SourceError, KeyFileError, ConnectionError, ApplianceError
 */
export async function openSource(choice: SourceChoice, { passphrase, connect }: Opening): Promise<KeySource> {
  switch (choice.kind) {
    case 'appliance':
      return applianceSource(await connect(choice.profile))
    case 'local':
      return (await import('./local.ts')).openLocal(choice.path, await passphrase(choice))
    case 'manual':
      return (await import('./manual.ts')).openManual(choice.key, await passphrase(choice))
  }
}
