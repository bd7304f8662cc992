/**
 * The door of age: what a client says to the plugin, in pieces of any size, with keys of every kind behind it. What must hold: it ends,
 * with `done` or because this is not the protocol; a file key comes out only of the stanzas that hold it; and what is said of a failure is one
 * of few sentences, which tell nothing of keys or file keys.
 */
import { FramingError } from '../../host-agent/plugins/age/framing.ts'
import { type AgeIdentity, formatIdentity } from '../../host-agent/plugins/age/identity-string.ts'
import { MESSAGES, type Opener, unwrapFileKeys } from '../../host-agent/plugins/age/identity-v1.ts'
import { wrapFileKeys } from '../../host-agent/plugins/age/recipient-v1.ts'
import { wrapFileKey } from '../../host-agent/plugins/age/wrap.ts'
import { ClavigerError } from '../../protocol/api/errors.ts'
import { formatStanza, parseStanza, type Stanza } from '../../protocol/envelope/age/stanza.ts'
import { openAgeStanza, readAgeStanza } from '../../protocol/envelope/age/unwrap.ts'
import { OpenError } from '../../protocol/envelope/errors.ts'
import { stanza, talkBytes } from '../plugins/age/talk.ts'
import { keyPair } from '../protocol/envelope-keys.ts'
import type { Door } from './fuzz.ts'
import type { Random } from './random.ts'

const SUITES = ['x', 'p', 'q'] as const
const KEYS = { x: keyPair('x25519'), p: keyPair('p256'), q: keyPair('xwing') }
const FILE_KEY = Buffer.from('0123456789abcdef')
const IDENTITIES = SUITES.map(suite => ({
  serial: '0123456789abcdef',
  enrolment: 'desk-1',
  key: 'files',
  version: 1,
  purpose: 'files',
  suite,
  publicKey: KEYS[suite].publicKey,
}))
const TEXTS = IDENTITIES.map(formatIdentity)
const STANZAS = IDENTITIES.map(identity => wrapFileKey(identity, FILE_KEY))
const REFUSAL = 'the budget for this purpose is used up'

/** What the plugin may say of a failure. */
const SAID: ReadonlySet<string> = new Set([...Object.values(MESSAGES), REFUSAL])

const text = (stanzas: readonly Stanza[]) =>
  Buffer.from([...stanzas, stanza(['done'])].map(formatStanza).join(''))
const sent = (file: number, { args, body }: Stanza) =>
  stanza(['recipient-stanza', String(file), ...args], body)
const known = (at: number) => stanza(['add-identity', TEXTS[at]!])
const GREASE = [stanza(['grease-7', 'a', 'b'], 'anything'), stanza(['x'], 'y'.repeat(200))]
const OTHERS = [
  stanza(['ssh-ed25519', 'AAAA'], 'z'.repeat(48)),
  stanza(['scrypt', 'AAAA', '18'], 'z'.repeat(32)),
]

const UNWRAP = SUITES.flatMap((_, at) => [
  text([known(at), sent(0, STANZAS[at]!)]),
  text([...GREASE, known(at), sent(0, OTHERS[0]!), sent(0, STANZAS[at]!), sent(0, OTHERS[1]!)]),
  text([sent(0, STANZAS[at]!), sent(1, STANZAS[(at + 1) % 3]!), known(at), known((at + 1) % 3)]),
])
const WRAP = SUITES.flatMap((_, at) => [
  text([known(at), stanza(['wrap-file-key'], FILE_KEY)]),
  text([...GREASE, known(at), stanza(['wrap-file-key'], FILE_KEY), stanza(['extension-labels'])]),
])
const WORDS = [
  '-> ',
  '\n',
  '\r\n',
  ' ',
  '=',
  '-> done\n\n',
  'recipient-stanza 0 ',
  'add-identity ',
  'X25519 ',
  'p256tag ',
]
  .concat(
    'mlkem768x25519 ',
    'wrap-file-key\n',
    'add-recipient age1claviger1\n\n',
    '4294967296',
    '-1',
    '\0',
    'é',
    'A'.repeat(64),
  )
  .map(word => Buffer.from(word))

/** Keys behind the plugin, as a device has them; a refusing one says so for every stanza. */
function holder(isRefusing: boolean): Opener {
  return {
    async open({ suite }: AgeIdentity, found: string) {
      if (isRefusing) throw new ClavigerError('over-budget', REFUSAL)
      try {
        return openAgeStanza(KEYS[suite].privateKey, readAgeStanza(parseStanza(found))!)
      } catch (error) {
        if (error instanceof OpenError) return null
        throw error
      }
    },
  }
}

async function take(input: Buffer, random: Random): Promise<string> {
  const isWrap = random.below(4) === 0
  const machine = isWrap
    ? wrapFileKeys
    : (conversation: Parameters<typeof wrapFileKeys>[0]) =>
        unwrapFileKeys(conversation, holder(random.below(8) === 0))
  let heard: Stanza[]
  try {
    heard = await talkBytes(machine, input, { size: 1 + random.below(input.length + 1) })
  } catch (error) {
    if (error instanceof FramingError) return 'not the protocol'
    throw error
  }
  for (const { args, body } of heard) check(args, body)
  return heard[0]?.args[0] ?? 'nothing to say'
}

/** @throws Error for what must not be said */
function check([command]: readonly string[], body: Uint8Array): void {
  const said = Buffer.from(body)
  if (command === 'file-key' && !said.equals(FILE_KEY)) throw new Error('another file key came out')
  if (command !== 'error') return
  const message = said.toString()
  const isFixed = SAID.has(message) || /^claviger has no recipients|^a key against quantum/.test(message)
  if (!isFixed) throw new Error(`this was said: ${message}`)
}

export const door: Door = { seeds: [...UNWRAP, ...WRAP], words: WORDS, take }
