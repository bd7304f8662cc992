/** Writing to a card that lies, ends, or is pulled: the first block comes last, or not at all. */
import t from 'tap'
import type { Card } from '../../image-build/flash/card-file.ts'
import { PIECE } from '../../image-build/flash/image-file.ts'
import { type Contents, writeCard } from '../../image-build/flash/write.ts'
import { sha256 } from '../../image-build/release/manifest.ts'

const SIZE = 3 * PIECE - 1024 * 1024
const PROVISION_AT = PIECE - 1000

const IMAGE = Buffer.alloc(SIZE)
for (let i = 0; i < SIZE; i += 4096) IMAGE.writeUInt32LE(i + 1, i)

function contents(image = IMAGE): Contents {
  async function* pieces() {
    for (let at = 0; at < image.length; at += PIECE) yield Buffer.from(image.subarray(at, at + PIECE))
  }
  const provision = { offset: PROVISION_AT, bytes: Buffer.alloc(4096, 'p') }
  return { pieces: pieces(), size: SIZE, sha256: sha256(IMAGE), provision }
}

/** A card in memory, full of something old, that remembers the order of what came. */
function memoryCard(change: Partial<Card> = {}) {
  const bytes = Buffer.alloc(4 * PIECE, 0xee)
  const events: string[] = []
  const card: Card = {
    name: 'card',
    isFresh: false,
    async write(at, written) {
      bytes.set(written, at)
      events.push(at === 0 && written.length === 512 ? `first ${written[0]}` : `write ${at}`)
    },
    async sync() {
      events.push('sync')
    },
    read: async (at, size) => bytes.subarray(at, at + size),
    ...change,
  }
  return { card, bytes, events }
}

const firstIsZero = (bytes: Buffer) => bytes.subarray(0, 512).equals(Buffer.alloc(512))

t.test('When a card is written, then its first block is emptied first and written last', async t => {
  const { card, bytes, events } = memoryCard()
  const steps: string[] = []
  await writeCard(card, contents(), {
    onWritten: (done, total) => steps.push(`written ${done / total}`),
    onVerified: (done, total) => steps.push(`verified ${done / total}`),
  })
  t.same(events, [
    ...['first 0', 'sync', 'write 0', `write ${PIECE}`, `write ${2 * PIECE}`, 'sync'],
    ...['first 1', 'sync'],
  ])
  const expected = Buffer.from(IMAGE)
  expected.fill('p', PROVISION_AT, PROVISION_AT + 4096)
  t.ok(bytes.subarray(0, SIZE).equals(expected), 'the owner’s file lies over the end of a piece')
  t.ok(bytes.subarray(SIZE).every(byte => byte === 0xee))
  t.equal(steps.at(-1), 'verified 1')
})

t.test('When a card is fresh, then zeros are not written to it', async t => {
  const { card, bytes, events } = memoryCard({ isFresh: true })
  bytes.fill(0)
  const sparse = Buffer.alloc(SIZE)
  sparse[0] = 7
  await writeCard(card, {
    ...contents(sparse),
    sha256: sha256(sparse),
    provision: { offset: 2 * PIECE, bytes: Buffer.from('p') },
  })
  t.same(
    events.filter(event => event.startsWith('write')),
    [`write ${2 * PIECE}`],
  )
})

t.test('When something goes wrong, then the first block is empty and it says so', async t => {
  const flipped =
    (at: number) =>
    (bytes: Buffer): Card['read'] =>
    async (from, size) => {
      const read = Buffer.from(bytes.subarray(from, from + size))
      if (at >= from && at < from + size) read[at - from]! ^= 1
      return read
    }
  const failures: [what: string, change: (bytes: Buffer) => Partial<Card>, message: RegExp][] = [
    [
      'a byte flips in the last piece',
      bytes => ({ read: flipped(SIZE - 1)(bytes) }),
      /reads back something else between MiB 8 and 11$/,
    ],
    [
      'a byte of provision.json flips',
      bytes => ({ read: flipped(PROVISION_AT)(bytes) }),
      /between MiB 0 and 4$/,
    ],
    [
      'the card ends',
      bytes => ({ read: async (at, size) => bytes.subarray(at, Math.min(at + size, 9 * 2 ** 20)) }),
      /between MiB 8 and 11$/,
    ],
    [
      'the first block does not hold',
      // What was read back so far was the zeros in its place.
      bytes => ({
        read: async (at, size) => (size === 512 ? Buffer.alloc(512) : bytes.subarray(at, at + size)),
      }),
      /its first block reads back as something else$/,
    ],
  ]
  for (const [what, change, message] of failures) {
    const { card, bytes } = memoryCard()
    await t.rejects(
      writeCard({ ...card, ...change(bytes) }, contents()),
      { message: new RegExp(`^card is not usable: .*${message.source}`), hint: /flash it again/ },
      what,
    )
    t.ok(firstIsZero(bytes), what)
  }
})

t.test('When the card is pulled, then not even that is promised', async t => {
  const { card, bytes } = memoryCard()
  let count = 0
  const write: Card['write'] = async (at, written) => {
    if (++count > 2) throw new Error('EIO: i/o error, write')
    return card.write(at, written)
  }
  await t.rejects(writeCard({ ...card, write }, contents()), {
    message: 'card is not usable: EIO: i/o error, write',
    hint: /not even its first block could be emptied/,
  })
  t.ok(firstIsZero(bytes), 'it was emptied at the start all the same')
})

t.test('When it is interrupted, or the image changes meanwhile, then the card does not start', async t => {
  const { card, bytes } = memoryCard()
  const interrupted = new AbortController()
  const onWritten = () => interrupted.abort(new Error('interrupted'))
  await t.rejects(writeCard(card, contents(), { signal: interrupted.signal, onWritten }), {
    message: 'card is not usable: interrupted',
  })
  t.ok(firstIsZero(bytes))
  const other = Buffer.from(IMAGE)
  other[SIZE - 1]! ^= 1
  await t.rejects(writeCard(card, contents(other)), /the image changed while it was read/)
  await t.rejects(writeCard(card, contents(IMAGE.subarray(0, PIECE))), /the image changed/)
  t.ok(firstIsZero(bytes))
})
