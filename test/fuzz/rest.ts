/**
 * The door of HTTP: bodies of `POST /v1/decrypt` and `POST /v1/derive` over TLS, at a whole appliance in this process. An input is a letter for the
 * route and the body. What must hold: it is answered as the OpenAPI document says, or refused with a code of the list, and never with a failure of the
 * device; a value comes out only at its own place, under its own key, for a purpose that is granted, and no more of it than was asked for.
 */
import type { TLSSocket } from 'node:tls'
import { sealer } from '../../host-agent/seal/seal.ts'
import { ERRORS, isErrorCode } from '../../protocol/api/errors.ts'
import type { DecryptAnswer, DecryptBody, DecryptItem, DeriveBody } from '../../protocol/api/schemas.ts'
import { agree } from '../../protocol/envelope/kem-node.ts'
import { parsePublicKey } from '../../protocol/envelope/token.ts'
import { importRaw } from '../protocol/envelope-keys.ts'
import { AnswerCheck } from '../support/answers.ts'
import { PURPOSES, WIDE } from '../support/appliance.ts'
import { ask, codeOf, type RawAnswer, secure } from '../support/http.ts'
import { startInProcess } from '../support/in-process.ts'
import { PATIENT } from '../support/requests.ts'
import { fixedBytes } from './fixed.ts'
import type { Door } from './fuzz.ts'
import { base64url, COMPACT, epkOf, pack, recipeOf } from './jwe-make.ts'
import { PLACE, VALUE } from './keeper.ts'
import type { Random } from './random.ts'
import { sealWith } from './sealed-box-make.ts'
import { parseJson, type Vocabulary, varyJson } from './vary-json.ts'

const device = await startInProcess()
const { appliance } = device
const admin = await appliance.connect(appliance.admin)
const keys: Record<string, Uint8Array> = {}
for (const [name, use] of [
  ['orders', 'fields'],
  ['notes', 'contextless'],
  ['raw', 'derive'],
] as const) {
  const { versions } = await admin.createKey(name, 'x', use)
  keys[name] = parsePublicKey(versions[0]!.publicKey).bytes
}
const profile = await appliance.enrol('till', 'operator', ['orders', 'notes'])
await admin.addGrant({ ...WIDE, agent: 'till', key: 'raw', reveal: ['derive'] })
await admin.changeSettings(PATIENT)

const { main, publicKey: share } = importRaw('x25519', fixedBytes('ephemeral rest'))
const secretWith = (name: string) => agree(main, keys[name]!)
const SECRET = base64url(secretWith('raw'))

/** What was sealed; `bound` to {@link PLACE}, or asked for under `notes`. */
interface Sealed {
  ciphertext: string
  isBound: boolean
}
const jwe = (key: string, header: object): string => {
  const named = { key, version: 1, epk: epkOf('x', share) }
  const recipe = recipeOf(named, 'ECDH-ES', 'A256GCM', secretWith(key))
  return pack(recipe, JSON.stringify({ ...recipe.header, ...header }), COMPACT, VALUE)
}
const { versions } = await admin.showKey('orders')
const BOX = sealWith(secretWith('notes'), share, keys.notes!)
const SEALED: Sealed[] = [
  { ciphertext: sealer(versions[0]!.publicKey)(PLACE, VALUE), isBound: true },
  { ciphertext: jwe('orders', { clv: PLACE, kid: 'orders@1', crit: ['clv'] }), isBound: true },
  { ciphertext: jwe('notes', {}), isBound: false },
  { ciphertext: BOX.toString('base64'), isBound: false },
]

const itemOf = ({ ciphertext, isBound }: Sealed): DecryptItem => ({
  ciphertext,
  context: PLACE,
  ...(isBound ? {} : { key: 'notes' }),
})
const decrypt = (...items: DecryptItem[]) => `d${JSON.stringify({ purpose: 'charge', items })}`
const [FIRST] = SEALED as [Sealed]
const REVEALED: Partial<DecryptItem>[] = [
  { reveal: 'last4' },
  { reveal: 'mask', keep: 4 },
  { reveal: 'equals', candidate: VALUE },
  { reveal: 'equals', candidate: '4111' },
  { encoding: 'base64url', ref: 'row 1' },
  { context: { ...PLACE, record: 'cust_cards/43' } },
  { context: { ...PLACE, field: 'card.holder' } },
  { context: { ...PLACE, field: 'card.cvv' } },
  { reveal: 'forward', recipient: 'bank' },
  { key: 'notes' },
]
const derive: DeriveBody = { purpose: 'charge', key: 'raw', public: base64url(share), context: PLACE }
const TEXTS = [
  ...SEALED.map(each => decrypt(itemOf(each))),
  ...REVEALED.map(more => decrypt({ ...itemOf(FIRST), ...more })),
  decrypt(...SEALED.map(itemOf), itemOf({ ciphertext: '-> X25519 AAAA\nAAAA\n', isBound: false })),
  ...[
    derive,
    { ...derive, version: 1, reason: 'a try' },
    { ...derive, public: base64url(new Uint8Array(32)) },
  ].map(body => `x${JSON.stringify(body)}`),
]

const VOCABULARY: Vocabulary = {
  names: [
    'purpose',
    'reason',
    'items',
    'ciphertext',
    'context',
    'field',
    'record',
    'key',
    'reveal',
    'keep',
    'ref',
  ].concat(...['candidate', 'recipient', 'encoding', 'version', 'public', '__proto__', 'constructor', '0']),
  values: [
    ...SEALED.map(({ ciphertext }) => ciphertext),
    ...PURPOSES,
    ...[
      'orders',
      'notes',
      'raw',
      'notes@1',
      'orders@9',
      'card.number',
      'card.holder',
      'cust_cards/42',
      'cust_cards/43',
    ],
    ...[
      'full',
      'last4',
      'mask',
      'equals',
      'forward',
      'rewrap',
      'derive',
      'base64url',
      VALUE,
      '',
      '\0',
      '\ud800',
      'é',
    ],
    ...[null, true, 0, 1, 4, -1, 1.5, 2 ** 53, 1e300, [], {}, [[]], PLACE, 'x'.repeat(300), base64url(share)],
  ],
  vary(text, random) {
    const at = random.below(text.length + 1)
    return `${text.slice(0, at)}${random.of(['A', 'zz', '=', '.', ' ', '\n', ''])}${text.slice(at + random.below(3))}`
  },
}
const WORDS = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  '\\',
  '\\u0000',
  '\\ud800',
  'null',
  '1e999',
  '"key":"notes",',
  '"reveal":"full",',
]

let socket: TLSSocket | undefined
async function send(path: string, body: Buffer): Promise<RawAnswer> {
  if (!socket || socket.destroyed || !socket.writable) socket = await secure(device.cable(), profile)
  return ask(socket, { method: 'POST', path, body })
}

const check = new AnswerCheck()
/** Requests after which whoever was refused again and again is forgiven. */
const FORGIVEN = 400
let count = 0

async function take(input: Buffer): Promise<string> {
  // Longer than it takes for refused tries to be forgotten.
  if (count++ % FORGIVEN === 0) device.advance(3)
  const name = input[0] === 'x'.charCodeAt(0) ? 'derive' : 'decrypt'
  const body = input.subarray(1)
  const answer = await send(`/v1/${name}`, body)
  const { status, headers, text } = answer
  check.check('POST', `/v1/${name}`, status, String(headers['content-type']), text)
  const [fault] = check.faults
  if (fault !== undefined) throw new Error(fault)
  if (status === 200)
    return name === 'derive' ? checkSecret(body, text) : checkValues(JSON.parse(body.toString()), text)
  const code = codeOf(answer)
  if (!isErrorCode(code)) throw new Error(code)
  if (status >= 500 || ERRORS[code].status !== status) throw new Error(`${status} ${text}`)
  if (text.includes(VALUE)) throw new Error('the value is in an error')
  return code
}

function checkSecret(body: Buffer, text: string): string {
  const { key, purpose, public: theirs } = JSON.parse(body.toString()) as DeriveBody
  if (key !== 'raw' || !PURPOSES.includes(purpose)) throw new Error('a secret of what is not granted')
  const { secret } = JSON.parse(text) as { secret: string }
  if (Buffer.from(secret, 'base64url').length !== 32) throw new Error('a secret of another length')
  if (theirs === derive.public && secret !== SECRET) throw new Error('another secret')
  return 'agreed'
}

/** @returns whether one opened, or the code of the first */
function checkValues({ purpose, items }: DecryptBody, text: string): string {
  const { results } = JSON.parse(text) as DecryptAnswer
  let isWhole = false
  for (const [i, { value, encoding, equals, jwe, error }] of results.entries()) {
    if (error) continue
    const item = items[i]!
    const { reveal = 'full', candidate, context, key } = item
    const sealed = SEALED.find(each => isSame(each.ciphertext, item.ciphertext))
    if (!sealed || !PURPOSES.includes(purpose)) throw new Error('it opened, and must not')
    if (sealed.isBound && (context.field !== PLACE.field || context.record !== PLACE.record))
      throw new Error('it opened in another place')
    if (!sealed.isBound && key !== 'notes' && key !== 'notes@1')
      throw new Error('it opened under another key')
    const wanted = encoding === undefined ? VALUE : base64url(VALUE)
    if (reveal === 'full' ? value !== wanted : value?.includes(VALUE)) throw new Error('another value')
    if (reveal === 'equals' && equals !== (candidate === VALUE)) throw new Error('another answer')
    if (reveal === 'forward' && jwe === undefined) throw new Error('it was not forwarded')
    isWhole ||= reveal === 'full'
  }
  const refs = items.map(({ ref = '' }) => ref).join()
  if (!isWhole && !refs.includes(VALUE) && text.includes(VALUE))
    throw new Error('the value was not asked for')
  return results.some(({ error }) => !error) ? 'opened' : `item ${results[0]!.error!.code}`
}

/** A box can be written down in more than one way. */
const isSame = (sealed: string, asked: string) =>
  sealed === asked || (sealed === BOX.toString('base64') && Buffer.from(asked, 'base64').equals(BOX))

function vary(input: Buffer, random: Random): Buffer | null {
  const value = parseJson(input.subarray(1).toString())
  if (!value) return null
  varyJson(value, random, VOCABULARY)
  return Buffer.from(`${String.fromCharCode(input[0]!)}${JSON.stringify(value)}`)
}

export const door: Door = {
  seeds: TEXTS.map(text => Buffer.from(text)),
  words: WORDS.map(word => Buffer.from(word)),
  vary,
  take,
  async close() {
    socket?.destroy()
    await device.stop()
  },
}
