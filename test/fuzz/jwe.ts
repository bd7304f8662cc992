/**
 * The door of JWE, from the text of an item to its answer: read, decided, opened. What must hold: it opens to its value, at its own place and
 * under its own key, or not at all; what does not open says the same in every place and under every key; what opened, another reader
 * says that it may; and the value is in no error and in no entry of the log.
 */
import type { Wanted } from '../../appliance/keeper/asked.ts'
import type { ErrorCode } from '../../protocol/api/errors.ts'
import { OpenError, TokenError } from '../../protocol/envelope/errors.ts'
import { openJwe } from '../../protocol/envelope/jwe-open.ts'
import { parseJwe } from '../../protocol/envelope/jwe-read.ts'
import type { Door } from './fuzz.ts'
import { pack } from './jwe-make.ts'
import { EXPECTED, KEYS, keyAt, recipeAt, WORDS } from './jwe-seeds.ts'
import { placeOf } from './jwe-strict.ts'
import { varyHeader, varyText } from './jwe-vary.ts'
import { checkAlike, checkMessages, codeOf, keeperWith, PLACE, VALUE } from './keeper.ts'
import type { Random } from './random.ts'

const keeper = keeperWith(KEYS)
const OTHERS = [
  { ...PLACE, record: 'cust_cards/43' },
  { ...PLACE, record: '' },
  { ...PLACE, field: 'card.holder' },
]
/** What may be said of a JWE. */
const CODES: ReadonlySet<ErrorCode> = new Set([
  'bad-token',
  'open-failed',
  'wrong-use',
  'key-retired',
  'not-granted',
])

/** The text of an input, made up if it is a header and a template. */
function textOf(input: Buffer): string {
  const recipe = recipeAt(input[1])
  const [, header, template] = split(input)
  return recipe ? pack(recipe, header, template, VALUE) : input.subarray(2).toString()
}

/** Its two letters, its header or all the rest, and what follows a line feed. */
function split(input: Buffer): [letters: Buffer, header: Buffer, template: string] {
  const end = input.indexOf('\n')
  if (end < 2) return [input.subarray(0, 2), input.subarray(2), '']
  return [input.subarray(0, 2), input.subarray(2, end), input.subarray(end + 1).toString()]
}

function vary(input: Buffer, random: Random): Buffer | null {
  const [letters, header, template] = split(input)
  const isMade = recipeAt(input[1]) !== undefined
  const varied = (isMade ? varyHeader : varyText)(header.toString(), random)
  return varied === null ? null : Buffer.from(`${letters}${varied}${isMade ? `\n${template}` : ''}`)
}

async function take(input: Buffer, random: Random): Promise<string> {
  const text = textOf(input)
  const key = keyAt(input[0])
  const own = itemOf(text, PLACE, key)
  const { results, keys } = await keeper.ask([own])
  const code = codeOf(results[0]!)
  const expected = EXPECTED.get(input.toString())
  if (expected !== undefined && expected !== code)
    throw new Error(`a seed ended as ${code}, not as ${expected}`)
  if (code !== null && !CODES.has(code)) throw new Error(`it was refused as ${code}`)
  if (code === null) checkPlace(text, PLACE)

  const other = isRsa(keys[0]!) ? OTHERS[random.below(2)]! : random.of(OTHERS)
  const moved = itemOf(text, other, key)
  const twin = twinOf(key, keys[0]!)
  const items = [own, moved, ...(twin === undefined ? [] : [itemOf(text, PLACE, twin)])]
  switch (random.below(8)) {
    case 0:
    case 1:
      check(items, (await keeper.ask(items)).results.map(codeOf))
      break
    case 2:
    case 3: {
      const at = 1 + random.below(items.length - 1)
      check([own, items[at]!], [code, codeOf((await keeper.ask([items[at]!])).results[0]!)])
      break
    }
    case 4:
      checkErrors(text, keys[0]!)
  }
  return code ?? 'opened'
}

const itemOf = (text: string, { field, record }: typeof PLACE, key: string | undefined): Wanted =>
  key === undefined ? [text, field, record, 'full', 0] : [text, field, record, 'full', 0, key]

/** @throws Error for what opens where it must not, and for what tells more than that it does not */
function check(items: readonly Wanted[], codes: readonly (ErrorCode | null)[]): void {
  checkAlike(codes)
  for (const [i, [text, field, record, , , key = '']] of items.entries()) {
    if (codes[i] !== null) continue
    checkPlace(text, { field, record })
    // All are encrypted to no twin but the recipe that says so, which is for another key then.
    if (/-twin(@|$)/.test(key)) throw new Error('it opened under another key')
  }
}

/** @throws Error for what another reader would not open there */
function checkPlace(text: string, { field, record }: typeof PLACE): void {
  const place = placeOf(text)
  if (place && (place.field !== field || place.record !== record))
    throw new Error('it opened in another place')
}

/** The same, but for its private key; of the same version. */
function twinOf(key: string | undefined, logged: string): string | undefined {
  const [name = '', version] = logged.split('@')
  const twin = `${key ?? name}-twin`
  if (!keeper.unlocked.keys.has(twin)) return undefined
  return version === undefined || version === 'legacy' ? twin : `${twin}@${version}`
}

const isRsa = (logged: string) => keeper.unlocked.keys.get(logged.split('@')[0]!)?.suite === 'rsa'

/** The errors underneath, which stay on the device: theirs is one sentence, and nothing of the value. */
function checkErrors(text: string, logged: string): void {
  const [name = '', number] = logged.split('@')
  const versions = keeper.unlocked.keys.get(name)?.versions
  const { privateKey } = versions?.get(Number(number)) ?? versions?.get(1) ?? {}
  if (!privateKey) return
  try {
    openJwe(privateKey, parseJwe(text), { namespace: 'default', key: name, ...PLACE })
  } catch (error) {
    checkMessages(error)
    const isFixed = error instanceof OpenError && error.message === new OpenError().message && !error.hint
    if (!isFixed && !(error instanceof TokenError)) throw error
  }
}

/** What gets past the reader stands there more often: the rest hardly changes what comes of it. */
const SEEDS = [...EXPECTED].flatMap(([input, code]) =>
  Array<Buffer>(code === 'bad-token' ? 1 : 4).fill(Buffer.from(input)),
)
export const door: Door = { seeds: SEEDS, words: WORDS.map(word => Buffer.from(word)), vary, take }
