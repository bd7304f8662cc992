/** Labels on paper: all of an address is on its label, each label is at its place, and no name breaks out of the page. */
import fc from 'fast-check'
import t from 'tap'
import { fit, LINE_HEIGHT, widthOf } from '../../host-agent/shop/labels/fit.ts'
import { labelPage, type Order } from '../../host-agent/shop/labels/page.ts'
import { perSheet, placeOf, STOCKS, stockOf } from '../../host-agent/shop/labels/stock.ts'

const POINTS_PER_MM = 72 / 25.4
const squeeze = (texts: readonly string[]) => texts.join('').replace(/\s+/g, '')

function order(i: number, more: Partial<Order> = {}): Order {
  const lines = [`Name ${i}`, `Street ${i}`]
  return {
    record: `orders/${i}`,
    country: 'NL',
    lines,
    fitted: { size: 11, lines },
    packing: [],
    ...more,
  }
}

const orders = (count: number) => Array.from({ length: count }, (_, i) => order(i + 1))
const places = (page: string) =>
  [...page.matchAll(/class="label"[^>]*left: ([\d.]+)mm; top: ([\d.]+)mm/g)].map(([, left, top]) => [
    Number(left),
    Number(top),
  ])
const sheets = (page: string) => page.split('<div class="sheet">').length - 1

t.test('When sheets are measured, then every label is on the paper, and none on another', async t => {
  for (const [name, stock] of Object.entries(STOCKS)) {
    const { width, height, label, columns, rows, left, top, pitch } = stock
    t.equal(perSheet(stock), columns * rows)
    t.ok(pitch >= label.width, name)
    const right = width - (left + (columns - 1) * pitch + label.width)
    const bottom = height - (top + rows * label.height)
    t.ok(Math.abs(right - left) < 0.1 && Math.abs(bottom - top) < 0.1, `${name} is in the middle`)
  }
  t.equal(stockOf('A4 24'), STOCKS['3x8'])
  t.equal(stockOf('Letter-30'), STOCKS['3x10'])
  t.throws(() => stockOf('constructor'), /no sheet of labels/)
})

t.test('When there are more labels than on a sheet, then the next sheet begins', async t => {
  const stock = STOCKS['3x8']!
  for (const [count, skip, wanted] of [
    [1, 0, 1],
    [24, 0, 1],
    [25, 0, 2],
    [24, 1, 2],
    [1, 23, 1],
    [2, 23, 2],
    [72, 0, 3],
  ] as const) {
    const page = labelPage(orders(count), stock, { skip, hasPacking: false })
    t.equal(sheets(page), wanted, `${count} labels behind ${skip}`)
    const expected = Array.from({ length: count }, (_, i) => {
      const { left, top } = placeOf(stock, (skip + i) % 24)
      return [left, top]
    })
    t.strictSame(places(page), expected)
    const names = [...page.matchAll(/Name (\d+)/g)].map(([, nr]) => Number(nr))
    t.strictSame(
      names,
      orders(count).map((_, i) => i + 1),
      'in their order',
    )
  }
})

t.test('When a name holds markup, then the page shows it, and obeys none of it', async t => {
  const name = `<script>alert("1")</script> & 'Söhne' </div></style>`
  const lines = [name, 'a\u0000b']
  const evil = order(1, { record: '<b>', lines, fitted: { size: 8, lines }, packing: [['<i>', '"><img>']] })
  const page = labelPage([evil], STOCKS['2x7']!, { skip: 0, hasPacking: true })
  t.notMatch(page, /<script|<b>|<i>|<img/)
  t.equal(page.split('</style>').length, 2)
  t.equal(page.split('&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;Söhne&#39;').length, 3)
  t.match(page, 'a\ufffdb')
  t.match(page, `content="default-src 'none'; style-src 'unsafe-inline'"`)
  t.notMatch(page, /https?:|url\(|@import|<link|<img|src=/)
})

t.test('When packing lists are wanted, then each order has one, with what was asked for', async t => {
  const packed = [order(1, { packing: [['status', 'paid']] }), order(2, { packing: [['status', '']] })]
  const page = labelPage(packed, STOCKS['3x10']!, { skip: 0, hasPacking: true })
  t.equal(page.split('<section class="order">').length - 1, 2)
  t.match(page, /<h1>orders\/1<\/h1>(.|\n)*<th>status<\/th><td dir="auto">paid<\/td>/)
  t.notMatch(labelPage(packed, STOCKS['3x10']!, { skip: 0, hasPacking: false }), /<section/)
})

t.test('When text is fitted, then all of it is there, within the height and the width', async t => {
  const text = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 80 }),
    fc
      .array(fc.constantFrom('Straße', 'of', '東京都', 'Llanfairpwllgwyngyll', '12', 'W'), { maxLength: 12 })
      .map(words => words.join(' ')),
  )
  const check = () =>
    fc.assert(
      fc.property(
        fc.array(text, { maxLength: 12 }),
        fc.constantFrom(...Object.values(STOCKS)),
        (lines, stock) => {
          const width = stock.label.width - 2 * stock.white.x
          const height = stock.label.height - 2 * stock.white.y
          const fitted = fit(lines, width, height)
          if (!fitted) return
          if (squeeze(fitted.lines) !== squeeze(lines)) throw new Error('something is lost')
          const { size } = fitted
          if (fitted.lines.length * size * LINE_HEIGHT > height * POINTS_PER_MM) throw new Error('too high')
          for (const line of fitted.lines)
            if (line.length > 2 && widthOf(line) * size > width * POINTS_PER_MM) throw new Error('too wide')
        },
      ),
    )
  t.doesNotThrow(check)
})

t.test('When an address has nine lines, then it is on every sheet that is sold', async t => {
  const nine = Array.from({ length: 9 }, (_, i) => `Line ${i + 1} of an address`)
  for (const [name, { label, white }] of Object.entries(STOCKS)) {
    const fitted = fit(nine, label.width - 2 * white.x, label.height - 2 * white.y)
    t.strictSame(fitted?.lines, nine, name)
    t.ok(fitted!.size >= 5, `${name}: ${fitted!.size} pt`)
  }
})

t.test('When text is too long, then it gets smaller before it is broken, and is never cut', async t => {
  t.strictSame(fit(['Jo Doe', 'Damrak 1'], 60, 28), { size: 11, lines: ['Jo Doe', 'Damrak 1'] })
  const long = 'Bundesministerium für Ernährung und Landwirtschaft'
  const smaller = fit([long], 100, 28)!
  t.ok(smaller.size < 11 && smaller.lines.length === 1)
  const broken = fit([long], 40, 28)!
  t.ok(broken.lines.length > 1 && broken.size > 8)
  t.equal(fit(['word '.repeat(1000)], 60, 28), null)
  t.equal(
    fit(
      Array.from({ length: 40 }, () => 'x'),
      60,
      28,
    ),
    null,
  )
  t.equal(fit(['x'.repeat(65_536)], 60, 28), null)
})
