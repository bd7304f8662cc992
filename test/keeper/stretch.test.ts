/** Stretching in the gate: what may be typed, what comes of it, and that nobody can make it run many at once. */

import { argon2id } from '@noble/hashes/argon2.js'
import fc from 'fast-check'
import t from 'tap'
import { normalise, Stretcher, stretch } from '../../appliance/gate/stretch.ts'
import type { Argon2 } from '../../appliance/keeper/rpc/messages.ts'

const utf8 = (text: string) => new TextEncoder().encode(text)
const cheap: Argon2 = { m: 8, t: 1, p: 1, salt: new Uint8Array(16).fill(7) }
const caller = (n: number) => ({ pin: new Uint8Array(32).fill(n) })
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    error => error.code ?? error.message,
  )

t.test('When something is stretched, then it is Argon2id as another implementation computes it', async t => {
  for (const cost of [
    { m: 8, t: 1, p: 1 },
    { m: 64, t: 3, p: 1 },
    { m: 64, t: 2, p: 4 },
  ]) {
    const { salt } = cheap
    const ours = await stretch('passphrase', utf8('correct horse'), { ...cost, salt })
    t.same(ours, argon2id(utf8('correct horse'), salt, { ...cost, dkLen: 32 }))
  }
})

t.test('When a passphrase is typed composed or decomposed, then it is the same passphrase', async t => {
  const [composed, decomposed] = ['NFC', 'NFD'].map(form => utf8('Schlüsselwart'.normalize(form)))
  t.not(composed!.length, decomposed!.length)
  t.same(await stretch('passphrase', composed!, cheap), await stretch('passphrase', decomposed!, cheap))
  const other = await stretch('passphrase', utf8('Schlusselwart'), cheap)
  t.notSame(await stretch('passphrase', composed!, cheap), other)
})

t.test('When it is too short, too long or no text, then it is malformed, and told the limits', async t => {
  const notText = Uint8Array.of(0xff, 0xfe, 0xff, 0xfe, 1, 2, 3, 4)
  const bad: ['passphrase' | 'pin', Uint8Array][] = [
    ['passphrase', utf8('1234567')],
    ['passphrase', utf8('äöüäöüä')],
    ['passphrase', utf8('äöüäöüä'.normalize('NFD'))],
    ['passphrase', utf8('x'.repeat(1025))],
    ['passphrase', utf8('ä'.repeat(1025))],
    ['passphrase', utf8('x'.repeat(1_000_000))],
    ['passphrase', notText],
    ['pin', utf8('123')],
    ['pin', utf8('1'.repeat(65))],
    ['pin', new Uint8Array()],
    ['pin', notText.subarray(0, 4)],
  ]
  for (const [kind, typed] of bad) {
    const [low, high] = kind === 'pin' ? [4, 64] : [8, 1024]
    const message = `the ${kind} must have ${low} to ${high} characters of UTF-8`
    await t.rejects(stretch(kind, typed, cheap), { code: 'malformed-request', message, cause: undefined })
  }
  const good = ['12345678', '🔑'.repeat(8), 'x'.repeat(1024), 'ä'.normalize('NFD').repeat(1024)]
  for (const text of good) t.equal((await stretch('passphrase', utf8(text), cheap)).length, 32)
  for (const text of ['1234', '1'.repeat(64)]) t.equal((await stretch('pin', utf8(text), cheap)).length, 32)
})

t.test('When any bytes are typed, then they are normalised in one way or malformed', async () => {
  const typed = fc.oneof(
    fc.uint8Array({ maxLength: 80 }),
    fc.string({ unit: 'binary', maxLength: 80 }).map(utf8),
    fc.string({ unit: 'grapheme-composite', maxLength: 80 }).map(utf8),
  )
  fc.assert(
    fc.property(typed, bytes => {
      const copy = Uint8Array.from(bytes)
      try {
        const once = normalise('pin', bytes)
        if (Buffer.compare(bytes, copy) !== 0 || once.buffer === bytes.buffer) return false
        return Buffer.compare(normalise('pin', once), once) === 0
      } catch (error) {
        return (error as { code: string }).code === 'malformed-request'
      }
    }),
    { numRuns: 1000 },
  )
})

t.test('When Argon2id itself fails, then the failure is internal, and why is in the cause alone', async t => {
  const absurd = stretch('pin', utf8('2468'), { ...cheap, m: 1 })
  await t.rejects(absurd, { code: 'internal', message: 'the pin could not be stretched', cause: Error })
})

t.test('When something new is stretched, then it has a fresh salt and the cost of new things', async t => {
  const asked: number[] = []
  const random = (n: number) => new Uint8Array(n).fill(asked.push(n))
  const stretcher = new Stretcher({ memory: 64, random })
  const first = await stretcher.fresh(caller(1), 'pin', '2468', async () => {})
  const second = await stretcher.fresh(caller(1), 'pin', '2468', async () => {})
  const { output, ...argon2 } = first
  t.same(argon2, { m: 64, t: 3, p: 1, salt: new Uint8Array(16).fill(1) })
  t.same(output, await stretch('pin', utf8('2468'), argon2))
  t.same(second.salt, new Uint8Array(16).fill(2))
  t.equal((await new Stretcher().fresh(caller(1), 'pin', '2468', async () => {})).m, 65_536)
})

/** A turn that is held until it is let go. */
function held() {
  const turn = Promise.withResolvers<Argon2>()
  const asked = Promise.withResolvers<void>()
  const parameters = () => {
    asked.resolve()
    return turn.promise
  }
  return { parameters, asked: asked.promise, release: () => turn.resolve(cheap) }
}

t.test('When many want to stretch, then one at a time does, and too many are sent away', async t => {
  const stretcher = new Stretcher()
  const turns = Array.from({ length: 8 }, held)
  const existing = (who: number, turn: ReturnType<typeof held>) =>
    stretcher.existing(caller(who), 'pin', '2468', turn.parameters)
  const works = turns.map((turn, i) => existing(i >> 1, turn))
  await turns[0]!.asked
  let second = false
  void turns[1]!.asked.then(() => {
    second = true
  })
  await new Promise(resolve => setTimeout(resolve, 20))
  t.equal(second, false, 'the second is not asked for before the first is done')
  const away = { code: 'too-many-requests', hint: 'try again in a few seconds' }
  await t.rejects(existing(9, held()), away, 'the queue is full')
  turns[0]!.release()
  await works[0]
  const freed = held()
  const ninth = existing(9, freed)
  await t.rejects(existing(8, held()), away, 'and full again')
  for (const turn of [...turns, freed]) turn.release()
  t.equal((await Promise.all([...works, ninth])).length, 9)
})

t.test('When one caller wants many, then it gets two places and leaves the others to the rest', async t => {
  const stretcher = new Stretcher()
  const turn = held()
  const existing = (who: number) => stretcher.existing(caller(who), 'pin', '2468', turn.parameters)
  const works = [existing(1), existing(1)]
  await t.rejects(existing(1), { code: 'too-many-requests' })
  works.push(existing(2))
  turn.release()
  await Promise.all(works)
  t.ok(await existing(1), 'its places are free again')
})

t.test('When a turn fails, then its place is free and the next is served', async t => {
  const stretcher = new Stretcher()
  const refused = () => Promise.reject(Object.assign(new Error('no slot'), { code: 'unlock-refused' }))
  for (let i = 0; i < 20; i++) {
    t.equal(await codeOf(stretcher.existing(caller(1), 'pin', '2468', refused)), 'unlock-refused')
    t.equal(await codeOf(stretcher.fresh(caller(1), 'pin', '2468', refused)), 'unlock-refused')
  }
  t.equal(await codeOf(stretcher.existing(caller(1), 'pin', '2468', async () => cheap)), 'done')
})

t.test('When what was typed cannot be right, then nobody is asked and no place is taken', async t => {
  const stretcher = new Stretcher()
  const turn = held()
  const works = [1, 2, 3, 4].flatMap(who =>
    [1, 2].map(() => stretcher.existing(caller(who), 'pin', '2468', turn.parameters)),
  )
  const never = () => t.fail('was asked') as never
  for (const text of ['123', '\ud800bcd', '246\udc00'])
    t.equal(await codeOf(stretcher.existing(caller(9), 'pin', text, never)), 'malformed-request')
  turn.release()
  await Promise.all(works)
})
