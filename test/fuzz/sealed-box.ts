/**
 * The door of sealed boxes, from the text of an item to its answer. An input is a letter for the key, a letter for how the rest is
 * written down, and the rest: text, or the bytes of a box. What must hold: a box opens as it was sealed and under its own key, in
 * each canonical way to write it, or not at all; the place changes nothing; what does not open says the same under every key.
 */
import type { Wanted } from '../../appliance/keeper/asked.ts'
import type { Opened } from '../../appliance/keeper/rpc/messages.ts'
import type { ErrorCode } from '../../protocol/api/errors.ts'
import { OpenError, TokenError } from '../../protocol/envelope/errors.ts'
import { agree } from '../../protocol/envelope/kem-node.ts'
import type { FieldPrivateKey } from '../../protocol/envelope/keys.ts'
import { openSealedBox, readSealedBox } from '../../protocol/envelope/sealed-box.ts'
import { importRaw, LOW_ORDER } from '../protocol/envelope-keys.ts'
import { fixedBytes, fixedKey, publicOf } from './fixed.ts'
import type { Door } from './fuzz.ts'
import { checkAlike, checkMessages, codeOf, keeperWith, PLACE } from './keeper.ts'
import type { Random } from './random.ts'
import { sealWith } from './sealed-box-make.ts'

/** By the letters of the inputs, from `A` on; a twin differs in its private key. */
const KEYS = [
  fixedKey('notes', 'x', 'contextless'),
  fixedKey('notes-twin', 'x', 'contextless'),
  fixedKey('orders', 'x', 'fields'),
  fixedKey('orders-twin', 'x', 'fields'),
  fixedKey('p', 'p', 'contextless'),
  fixedKey('p-twin', 'p', 'contextless'),
  fixedKey('files', 'x', 'files'),
]
const keeper = keeperWith(KEYS)
/** How an input's rest becomes text. */
const WRITINGS: Readonly<Record<string, (rest: Buffer) => string>> = {
  t: rest => rest.toString(),
  b: rest => rest.toString('base64'),
  n: rest => rest.toString('base64').replace(/=+$/, ''),
  u: rest => rest.toString('base64url'),
  v: rest => rest.toString('base64url') + '='.repeat((3 - (rest.length % 3)) % 3),
}
const CODES: ReadonlySet<ErrorCode> = new Set(['bad-token', 'open-failed', 'wrong-use'])

function seal(key: string, version = 2): Buffer {
  const { main, publicKey } = importRaw('x25519', fixedBytes(`ephemeral ${key}`))
  const recipient = publicOf(key, 'x', version)
  return sealWith(agree(main, recipient), publicKey, recipient)
}

const BOX = seal('notes')
const high = Buffer.from(BOX)
high[31]! |= 0x80
/** Boxes for the newest version of the first key, and what becomes of them. */
const BOXES: [Buffer, ErrorCode | null][] = [
  [BOX, null],
  [seal('notes', 1), 'open-failed'],
  [seal('notes-twin'), 'open-failed'],
  [high, 'open-failed'],
  ...LOW_ORDER.flatMap(hex => {
    const point = Buffer.from(hex, 'hex')
    const other = Buffer.from(point)
    other[31]! |= 0x80
    return [point, other].map((each): [Buffer, ErrorCode] => [
      sealWith(new Uint8Array(32), each, publicOf('notes', 'x')),
      'open-failed',
    ])
  }),
  [BOX.subarray(0, 48), 'open-failed'],
  [BOX.subarray(0, 47), 'bad-token'],
  [BOX.subarray(0, 32), 'bad-token'],
  [Buffer.alloc(48), 'open-failed'],
  [Buffer.concat([BOX, Buffer.alloc(1)]), 'open-failed'],
  [Buffer.concat([BOX, Buffer.alloc(65_536)]), 'bad-token'],
]
const text = BOX.toString('base64')
const TEXTS: [string, ErrorCode][] = [
  [`${text}\n`, 'bad-token'],
  [`${text}=`, 'bad-token'],
  [` ${text}`, 'bad-token'],
  [`${text.slice(0, 40)}\n${text.slice(40)}`, 'bad-token'],
  [text.replace(/.(=*)$/, '/$1'), 'bad-token'],
  [text.replace('A', '-').replace('B', '+'), 'bad-token'],
  ['', 'bad-token'],
  ['clv1.x.notes.2.AAAA', 'bad-token'],
  ['{"protected":"e30"}', 'bad-token'],
  ['-> X25519 AAAA\nAAAA\n', 'bad-context'],
]
/** What becomes of an input as it is. */
const EXPECTED = new Map<string, ErrorCode | null>()
const nameInput = (key: string, writing: string, rest: Buffer | string) =>
  Buffer.concat([Buffer.from(key + writing), Buffer.from(rest)])
for (const [box, code] of BOXES) {
  for (const writing of ['b', 'n', 'u', 'v'])
    EXPECTED.set(nameInput('A', writing, box).toString('latin1'), code)
  EXPECTED.set(nameInput('A', 't', box.toString('base64')).toString('latin1'), code)
}
EXPECTED.set(nameInput('B', 'u', BOXES[2]![0]).toString('latin1'), null)
for (const [each, code] of TEXTS) EXPECTED.set(nameInput('A', 't', each).toString('latin1'), code)
for (const [i, code] of [
  'open-failed',
  'wrong-use',
  'wrong-use',
  'open-failed',
  'open-failed',
  'wrong-use',
].entries())
  EXPECTED.set(nameInput(String.fromCharCode(66 + i), 'b', BOX).toString('latin1'), code as ErrorCode)

async function take(input: Buffer, random: Random): Promise<string> {
  const written = WRITINGS[String.fromCharCode(input[1] ?? 0)] ?? WRITINGS.t!
  const box = written(input.subarray(2))
  const { name } = KEYS[(input[0] ?? 0) - 65] ?? KEYS[0]!
  const twin = `${name}-twin`
  const others = [itemOf(box, name, 'cust_cards/43')]
  if (keeper.unlocked.keys.has(twin)) others.push(itemOf(box, twin, PLACE.record))
  const items = [itemOf(box, name, PLACE.record), ...(random.below(2) === 0 ? [random.of(others)] : [])]
  const results = random.below(2) === 0 ? (await keeper.ask(items)).results : await oneByOne(items)
  const codes = results.map(codeOf)
  const [code = null] = codes
  const expected = EXPECTED.get(input.toString('latin1'))
  if (expected !== undefined && expected !== code)
    throw new Error(`a seed ended as ${code}, not as ${expected}`)
  // Text of another form is none of this door.
  if (/^(\{|-> |ey)/.test(box)) return 'another form'
  if (code !== null && !CODES.has(code)) throw new Error(`it was refused as ${code}`)
  checkAlike(codes)
  if (items[1] === others[0] && code !== codes[1]) throw new Error('the place makes a difference')
  for (const [i, each] of codes.entries()) if (each === null) checkOpened(box, items[i]![5]!)
  if (random.below(8) === 0) checkErrors(box, name)
  return code ?? 'opened'
}

const itemOf = (box: string, key: string, record: string): Wanted => [
  box,
  PLACE.field,
  record,
  'full',
  0,
  key,
]

async function oneByOne(items: readonly Wanted[]): Promise<Opened[]> {
  const results: Opened[] = []
  for (const item of items) results.push(...(await keeper.ask([item])).results)
  return results
}

/** @throws Error for what is not the one box that its key opens, in one of the ways to write it */
function checkOpened(box: string, key: string): void {
  const own = key === 'notes' ? BOX : key === 'notes-twin' ? BOXES[2]![0] : null
  if (!own || !['b', 'n', 'u', 'v'].some(writing => WRITINGS[writing]!(own) === box))
    throw new Error('it opened, and is not what was sealed')
}

/** The errors underneath, which stay on the device. */
function checkErrors(box: string, name: string): void {
  try {
    openSealedBox(
      keeper.unlocked.keys.get(name)!.versions.get(2)!.privateKey as FieldPrivateKey,
      readSealedBox(box),
    )
  } catch (error) {
    checkMessages(error)
    const isFixed = error instanceof OpenError && error.message === new OpenError().message && !error.hint
    if (!isFixed && !(error instanceof TokenError)) throw error
  }
}

/** A bit of what was written down, or its length; it is written down again. */
function vary(input: Buffer, random: Random): Buffer | null {
  if (input[1] !== 't'.charCodeAt(0) || input.length < 4) return null
  const rest = input.subarray(2).toString()
  const encoding = random.below(2) === 0 ? 'base64' : 'base64url'
  const bytes = Buffer.from(rest, encoding)
  if (bytes.length === 0) return null
  bytes[random.below(bytes.length)]! ^= 1 << random.below(8)
  return Buffer.concat([input.subarray(0, 2), Buffer.from(bytes.toString(encoding))])
}

const WORDS = [
  '=',
  '==',
  '\n',
  ' ',
  '-',
  '_',
  '+',
  '/',
  'A',
  'AAAA',
  'clv1.',
  '{',
  '-> ',
  'ey',
  '\0',
  'é',
  '\u{1f600}',
]
/** What opens stands there more often. */
const SEEDS = [...EXPECTED].flatMap(([input, code]) =>
  Array<Buffer>(code === null ? 16 : 1).fill(Buffer.from(input, 'latin1')),
)
export const door: Door = {
  seeds: SEEDS,
  words: [...WORDS.map(word => Buffer.from(word)), Buffer.alloc(32), Buffer.alloc(16, 255)],
  vary,
  take,
}
