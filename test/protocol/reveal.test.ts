/** What each mode gives of a value: counted in code points, never more than half, and never the caller's own memory. */
import fc from 'fast-check'
import t from 'tap'
import { MAX_KEEP, reveal } from '../../protocol/envelope/reveal.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (value: Uint8Array | boolean) =>
  typeof value === 'boolean'
    ? value
    : new TextDecoder('utf-8', { ignoreBOM: true, fatal: true }).decode(value)
const last4 = (value: string) => text(reveal('last4', bytes(value)))
const mask = (value: string, keep?: number) => text(reveal('mask', bytes(value), { keep }))

t.test('When a value is revealed, then the workstation gets what the mode gives', async t => {
  for (const [value, end, masked] of [
    ['4111111111111234', '1234', '••••••••••••1234'],
    ['12345678', '5678', '••••5678'],
    ['1234567', '567', '••••567'],
    ['1234', '34', '••34'],
    ['123', '3', '••3'],
    ['12', '2', '•2'],
    ['1', '', '•'],
    ['', '', ''],
    ['Пушкинская', 'ская', '••••••ская'],
    ['北京市朝阳区', '朝阳区', '•••朝阳区'],
    ['😀😁😂🤣😃😄😅😆', '😃😄😅😆', '••••😃😄😅😆'],
    ['a😀', '😀', '•😀'],
    ['e\u0301e\u0301', 'e\u0301', '••e\u0301'],
    ['\ufeffab', 'b', '••b'],
  ] as const) {
    t.equal(last4(value), end, value)
    t.equal(mask(value), masked, value)
    t.equal(text(reveal('full', bytes(value))), value)
  }
  t.equal(mask('4111111111111234', 6), '••••••••••111234')
  t.equal(mask('4111111111111234', 0), '••••••••••••••••')
  t.equal(mask('12345678', 6), '••••5678', 'half is the most')
  for (const keep of [-1, 7, 1.5, Number.NaN])
    t.throws(() => mask('12345678', keep), { code: 'malformed-request' }, `${keep}`)
})

t.test('When a value is any text, then its end is at most half of it and the mask as long as it', async t => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), fc.nat(MAX_KEEP), (value, keep) => {
      const characters = [...value]
      const expected = (count: number) => Math.min(count, Math.floor(characters.length / 2))
      const end = [...(last4(value) as string)]
      t.same(end, characters.slice(characters.length - expected(4)))
      const masked = [...(mask(value, keep) as string)]
      t.equal(masked.length, characters.length)
      t.same(
        masked,
        characters.map((c, i) => (i < characters.length - expected(keep) ? '•' : c)),
      )
    }),
    { numRuns: 500 },
  )
})

t.test('When a candidate is the value, then equals says true, and else false', async t => {
  const value = bytes('Müller 北京')
  t.equal(reveal('equals', value, { candidate: 'Müller 北京' }), true)
  for (const candidate of ['', 'Müller', 'Müller 北京 ', 'müller 北京', 'Mu\u0308ller 北京'])
    t.equal(reveal('equals', value, { candidate }), false, candidate)
  t.equal(reveal('equals', bytes(''), { candidate: '' }), true)
  for (const candidate of [undefined, '\ud83d'])
    t.throws(() => reveal('equals', value, { candidate }), { code: 'malformed-request' })
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 8 }),
      fc.string({ unit: 'binary', maxLength: 8 }),
      (a, b) => {
        t.equal(reveal('equals', bytes(a), { candidate: b }), a === b)
        t.equal(reveal('equals', bytes(a), { candidate: a }), true)
      },
    ),
  )
})

t.test(
  'When a value is not text, then it has no characters to show, but can be given or compared',
  async t => {
    for (const value of [[0xff], [0xc3], [0x41, 0xed, 0xa0, 0x80], [0x80, 0x80]].map(b =>
      Uint8Array.from(b),
    )) {
      for (const mode of ['last4', 'mask'] as const)
        t.throws(() => reveal(mode, value), { code: 'malformed-request', message: /not text/ })
      t.same(reveal('full', value), value)
      t.equal(reveal('equals', value, { candidate: '\ufffd' }), false)
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 30 }), value => {
        for (const mode of ['last4', 'mask'] as const) {
          try {
            text(reveal(mode, value))
          } catch (error) {
            t.match(error, { code: 'malformed-request' })
          }
        }
      }),
    )
  },
)

t.test(
  'When the caller zeroes the value, then what was revealed stays, and the value was not changed',
  async t => {
    for (const mode of ['full', 'last4', 'mask'] as const) {
      const value = bytes('4111111111111234')
      const before = text(value)
      const given = reveal(mode, value) as Uint8Array
      t.equal(text(value), before)
      const shown = text(given)
      value.fill(0)
      t.equal(text(given), shown, mode)
      t.match(shown, /1234$/)
    }
  },
)
