/** AES-256-GCM-SIV: the vectors of RFC 8452, and agreement with noble on random and hostile input. */
import { gcmsiv } from '@noble/ciphers/aes.js'
import fc from 'fast-check'
import t from 'tap'
import { open, seal } from '../../appliance/keeper/keystore/gcm-siv.ts'

const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'))

/** RFC 8452 Appendix C.2 and C.3: key, nonce, additional data, plaintext, result. */
const VECTORS: [string, string, string, string, string][] = [
  [`01${'0'.repeat(62)}`, `03${'0'.repeat(22)}`, '', '', '07f5f4169bbf55a8400cd47ea6fd400f'],
  [
    `01${'0'.repeat(62)}`,
    `03${'0'.repeat(22)}`,
    '',
    '0100000000000000',
    'c2ef328e5c71c83b843122130f7364b761e0b97427e3df28',
  ],
  [
    // The counter wraps.
    '0'.repeat(64),
    '0'.repeat(24),
    '',
    '000000000000000000000000000000004db923dc793ee6497c76dcc03a98e108',
    'f3f80f2cf0cb2dd9c5984fcda908456cc537703b5ba70324a6793a7bf218d3eaffffffff000000000000000000000000',
  ],
]

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

t.test('When the vectors of the RFC are sealed, then the result is theirs', async t => {
  for (const [key, nonce, additional, plaintext, result] of VECTORS) {
    t.equal(Buffer.from(seal(hex(key), hex(nonce), hex(additional), hex(plaintext))).toString('hex'), result)
    t.same(open(hex(key), hex(nonce), hex(additional), hex(result)), hex(plaintext))
  }
})

t.test(
  'When anything is sealed, then noble gives the same bytes, and each opens what the other sealed',
  async t => {
    const claim = fc.property(
      bytes(32),
      bytes(12),
      fc.uint8Array({ maxLength: 100 }),
      fc.uint8Array({ maxLength: 300 }),
      (key, nonce, additional, plaintext) => {
        const ours = seal(key, nonce, additional, plaintext)
        const theirs = gcmsiv(key, nonce, additional).encrypt(plaintext)
        return (
          Buffer.compare(ours, theirs) === 0 &&
          Buffer.compare(open(key, nonce, additional, theirs)!, plaintext) === 0
        )
      },
    )
    t.doesNotThrow(() => fc.assert(claim))
  },
)

t.test('When one bit of any part differs, or the end is missing, then it does not open', async t => {
  const claim = fc.property(
    bytes(32),
    bytes(12),
    fc.uint8Array({ minLength: 1, maxLength: 40 }),
    fc.uint8Array({ maxLength: 40 }),
    fc.nat(),
    (key, nonce, additional, plaintext, at) => {
      const sealed = seal(key, nonce, additional, plaintext)
      const parts = [key, nonce, additional, sealed].map(part => Uint8Array.from(part))
      const flipped = parts[at % 4]!
      flipped[(at >> 2) % flipped.length]! ^= 1 << ((at >> 5) % 8)
      const [k, n, a, s] = parts as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
      const cut = sealed.subarray(0, at % sealed.length)
      return open(k, n, a, s) === null && open(key, nonce, additional, cut) === null
    },
  )
  t.doesNotThrow(() => fc.assert(claim))
})

t.test('When it does not open, then what was sealed is as it was, and opens later', async t => {
  const [key, nonce, additional] = [new Uint8Array(32), new Uint8Array(12), new Uint8Array(3)]
  const sealed = Buffer.from(seal(key, nonce, additional, Buffer.from('a data key')))
  const before = Buffer.from(sealed)
  t.equal(open(new Uint8Array(32).fill(1), nonce, additional, sealed), null)
  t.same(sealed, before)
  t.same(open(key, nonce, additional, sealed), new Uint8Array(Buffer.from('a data key')))
  t.same(sealed, before)
})
