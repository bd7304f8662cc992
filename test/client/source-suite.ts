/** What every source of keys promises to the code above it; `sources.test.ts` runs it over the three kinds. */
import t from 'tap'
import type { KeySource } from '../../host-agent/client/sources/source.ts'
import { sealer } from '../../host-agent/seal/seal.ts'
import { ERRORS, type ErrorCode } from '../../protocol/api/errors.ts'
import type { DecryptBody, DecryptItem } from '../../protocol/api/schemas.ts'

/** A source with a key `orders`, and what differs between the kinds. */
export interface SourceSubject {
  source: KeySource
  /** What it says of a token under a key that it does not have. */
  stranger: ErrorCode
  /** Another public key of the same name and namespace. */
  imposter: string
  /** Makes a new version of `orders` and opens the source again; missing where there is no rotation. */
  rotate?(): Promise<KeySource>
  stop(): Promise<void>
}

const PLACE = { field: 'card.number', record: 'cust_cards/42' }
const CARD = '4242424242424242'
const error = (code: string) => ({ error: { code } })
const ask = (items: DecryptItem[]): DecryptBody => ({ purpose: 'test', items })
const item = (ciphertext: string, extra: Partial<DecryptItem> = {}): DecryptItem => ({
  ciphertext,
  context: PLACE,
  ...extra,
})

/** Runs the claims on one kind. */
export function sourceSuite(kind: KeySource['kind'], start: () => Promise<SourceSubject>): void {
  t.test(`a source of keys: ${kind}`, async t => {
    const subject = await start()
    let { source } = subject
    t.teardown(subject.stop)
    t.equal(source.kind, kind)
    const publicKeys = async () => (await source.listKeys())[0]!.versions.map(({ publicKey }) => publicKey)
    const [publicKey = ''] = await publicKeys()
    const seal = sealer(publicKey)
    const token = seal(PLACE, CARD)
    const results = async (...items: DecryptItem[]) => (await source.decrypt(ask(items))).results

    t.test('When a field is asked for, then as much of it is given as the mode says', async t => {
      t.strictSame(
        await results(
          item(token),
          item(token, { reveal: 'full', ref: 'a' }),
          item(token, { reveal: 'last4' }),
          item(token, { reveal: 'mask' }),
          item(token, { reveal: 'mask', keep: 2 }),
          item(token, { reveal: 'equals', candidate: CARD }),
          item(token, { reveal: 'equals', candidate: '4242' }),
          item(token, { encoding: 'base64url' }),
          item(seal({ ...PLACE, record: '' }, 'x'), { context: { ...PLACE, record: '' } }),
        ),
        [
          { value: CARD },
          { ref: 'a', value: CARD },
          { value: '4242' },
          { value: '••••••••••••4242' },
          { value: '••••••••••••••42' },
          { equals: true },
          { equals: false },
          { value: Buffer.from(CARD).toString('base64url'), encoding: 'base64url' },
          { value: 'x' },
        ],
      )
    })

    t.test('When a value is not text, then it is given as bytes, and no characters of it', async t => {
      const bytes = Uint8Array.of(0xff, 0, 10, 0x80)
      const sealed = seal(PLACE, bytes)
      t.strictSame(
        await results(item(sealed), item(sealed, { reveal: 'last4' }), item(sealed, { reveal: 'mask' })),
        [
          { value: Buffer.from(bytes).toString('base64url'), encoding: 'base64url' },
          error('malformed-request'),
          error('malformed-request'),
        ],
      )
      const texts = ['', 'a\0b"\\\u2028😀', '\ufeffx']
      t.strictSame(
        await results(...texts.map(text => item(seal(PLACE, text)))),
        texts.map(value => ({ value })),
      )
    })

    t.test(
      'When an item is wrong, then it fails alone, in its order, with the code of its fault',
      async t => {
        const imposter = sealer(subject.imposter)(PLACE, CARD)
        const flipped = token.replace(/.(?=.{20}$)/, c => (c === 'A' ? 'B' : 'A'))
        const cases: [DecryptItem, object][] = [
          [item(token, { context: { ...PLACE, record: 'cust_cards/43' } }), error('open-failed')],
          [item(token, { context: { ...PLACE, field: 'card.holder' } }), error('open-failed')],
          [item(flipped), error('open-failed')],
          [item(imposter), error('open-failed')],
          [item(token.replace('.orders.1.', '.orders.999.')), error('open-failed')],
          [item(`clv1.p.orders.1.${'A'.repeat(200)}`), error('open-failed')],
          [item(token.replace('.orders.', '.others.')), error(subject.stranger)],
          [item('garbage'), error('bad-token')],
          [item(`${token}=`), error('bad-token')],
          [item(token.slice(0, 40)), error('bad-token')],
          [item(token, { context: { ...PLACE, field: 'card.cvv' } }), error('forbidden-field')],
          [item(token, { context: { ...PLACE, field: 'card.track1.raw' } }), error('forbidden-field')],
          [item(token, { context: { ...PLACE, field: 'Card Number' } }), error('bad-context')],
          [item(token, { context: { ...PLACE, record: 'ü'.repeat(128) } }), error('bad-context')],
          [item(token, { reveal: 'forward', recipient: 'nobody' }), error('unknown-recipient')],
          [item(token), { value: CARD }],
        ]
        t.strictSame(
          await results(...cases.map(([asked]) => asked)),
          cases.map(([, result]) => result),
        )
        for (const [, result] of cases)
          if ('error' in result) t.ok((result.error as { code: string }).code in ERRORS)
      },
    )

    t.test('When a request is not what the route accepts, then nothing of it is opened', async t => {
      const bodies = [
        { purpose: 'test', items: [] },
        { purpose: 'No', items: [item(token)] },
        { items: [item(token)] },
        ask([item(token, { reveal: 'equals' })]),
        ask([item(token, { reveal: 'forward' })]),
        ask([item(token, { reveal: 'mask', keep: 7 })]),
        ask([item('')]),
        ask([{ ...item(token), more: 1 } as DecryptItem]),
        ask(Array.from({ length: 1001 }, () => item(token))),
      ]
      for (const body of bodies)
        await t.rejects(
          source.decrypt(body as DecryptBody),
          { code: 'malformed-request' },
          JSON.stringify(body).slice(0, 80),
        )
      const context = { record: PLACE.record }
      await t.rejects(source.rewrap({ purpose: 'test', items: [{ ciphertext: token, context }] }), {
        code: 'malformed-request',
      })
    })

    t.test('When 1,000 fields are asked for, then all come, in their order', async t => {
      const place = (i: number) => ({ field: 'address.ship', record: `orders/${i}` })
      const items = Array.from({ length: 1000 }, (_, i) =>
        item(i === 500 ? token : seal(place(i), `street ${i}`), { context: place(i), ref: `${i}` }),
      )
      t.strictSame(
        await results(...items),
        items.map((_, i) => ({
          ref: `${i}`,
          ...(i === 500 ? error('open-failed') : { value: `street ${i}` }),
        })),
      )
    })

    const rewrapItem = (ciphertext: string, ref?: string) => ({
      ciphertext,
      context: PLACE,
      ...(ref === undefined ? {} : { ref }),
    })

    t.test('When a field is sealed again, then it is under the newest version, and opens', async t => {
      const versions = subject.rotate ? 2 : 1
      if (subject.rotate) source = await subject.rotate()
      t.equal((await publicKeys()).length, versions)
      t.equal((await publicKeys())[0], publicKey)
      t.strictSame(await results(item(token)), [{ value: CARD }], 'the old token still opens')
      const bytes = Uint8Array.of(0xff, 0, 1)
      const { results: sealed } = await source.rewrap({
        purpose: 'test',
        items: [
          rewrapItem(token, 'first'),
          rewrapItem('garbage'),
          { ...rewrapItem(token), context: { ...PLACE, record: 'other' } },
          rewrapItem(seal(PLACE, bytes)),
        ],
      })
      t.match(sealed[0], { ref: 'first', tokens: [{ field: PLACE.field }] })
      t.strictSame(sealed.slice(1, 3), [error('bad-token'), error('open-failed')])
      const again = [sealed[0]!, sealed[3]!].map(({ tokens }) => tokens![0]!.token)
      for (const each of again) t.ok(each.startsWith(`clv1.x.orders.${versions}.`))
      t.not(again[0], token)
      t.strictSame(await results(...again.map(each => item(each))), [
        { value: CARD },
        { value: Buffer.from(bytes).toString('base64url'), encoding: 'base64url' },
      ])
    })

    t.test('When it is to seal under a key that it could take for its own, then it refuses', async t => {
      await t.rejects(source.rewrap({ purpose: 'test', items: [rewrapItem(token)] }, subject.imposter), {
        code: 'bad-key',
      })
    })

    await t.test('When it is closed, then it opens nothing any more', async t => {
      await source.close()
      await t.rejects(results(item(token)), { code: 'bad-source' })
      await t.rejects(source.listKeys(), { code: 'bad-source' })
      await t.rejects(source.rewrap({ purpose: 'test', items: [rewrapItem(token)] }), { code: 'bad-source' })
    })
  })
}
