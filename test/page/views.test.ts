/**
 * The staff's page in a browser, with made-up answers: every view can be used by everybody, keeps to its own rules, and takes away what it
 * revealed. `UPDATE_IMAGES=1` writes the pictures of the documents, and looks at each view in both colours and widths.
 */
import type { Browser } from 'playwright-core'
import t from 'tap'
import type { ServedPage } from '../../host-agent/agent/page/page.ts'
import { dress, faultsOf, LOOKS, launchBrowser, shoot, withoutBrowser } from './browser.ts'
import { ANSWERS, type Answers, seen, TOKEN, till } from './fixtures.ts'
import { type Opened, openPage, serve } from './support.ts'

t.setTimeout(200_000)
const UPDATES = process.env.UPDATE_IMAGES === '1'
/** Bytes of the page in one language, all but what only administrators see. */
const MOST_BYTES = 120 * 1024

let browser: Browser
let served: ServedPage
t.before(async () => {
  if (withoutBrowser.skip) return
  served = await serve()
  browser = await launchBrowser()
})
t.after(async () => {
  await browser?.close()
  await served?.stop()
})

const pasted = JSON.stringify(
  ['card.number', 'card.expiry', 'phone'].map(field => ({
    ciphertext: TOKEN,
    context: { field, record: 'orders/17' },
  })),
)

/** Goes to the page and reveals two values of which one opens. */
async function revealTwo({ page }: Opened): Promise<void> {
  await page.goto(`${served.origin}/#reveal`)
  await page.fill('#pasted', pasted)
  await page.getByRole('button', { name: 'Reveal 2 values' }).click()
  await page.getByRole('heading', { name: 'Revealed' }).waitFor()
}

const VIEWS: readonly [name: string, answers: Answers, go: (opened: Opened) => Promise<void>][] = [
  ['locked', { events: [seen('locked')] }, async ({ page }) => page.getByLabel('PIN').waitFor()],
  ['lockdown', {}, async ({ page }) => page.getByRole('button', { name: 'Lockdown' }).click()],
  ['reveal', {}, revealTwo],
  [
    'find',
    {},
    async ({ page }) => {
      await page.goto(`${served.origin}/#reveal`)
      await page.getByRole('radio', { name: 'Look up' }).check()
      await page.getByLabel('Key (id)').fill('17')
      await page.getByRole('button', { name: 'Find' }).click()
      await page.getByRole('checkbox', { name: 'card_number' }).check()
    },
  ],
  [
    'labels',
    {},
    async ({ page }) => {
      await page.goto(`${served.origin}/#labels`)
      await page.getByLabel('Keys (id)').fill('17, 18, 19')
      await page.getByRole('button', { name: 'Make 3 labels' }).click()
      await page.getByRole('button', { name: 'Print' }).waitFor()
    },
  ],
  [
    'today',
    {},
    async ({ page }) => {
      await page.goto(`${served.origin}/#today`)
      await page.locator('table').waitFor()
    },
  ],
  [
    'admin',
    {},
    async ({ page }) => {
      await page.goto(`${served.origin}/#admin`)
      await page.locator('.plot canvas').last().waitFor()
    },
  ],
  [
    'browsers',
    { listAsked: { asked: [{ id: 'a', from: 'https://shop.example', digits: '4821' }] } },
    async ({ page }) => {
      await page.goto(`${served.origin}/#frames`)
      await page.getByText('4821').waitFor()
    },
  ],
]

t.test(
  'When a view is opened, then nothing keeps anybody out, and nothing is asked elsewhere',
  withoutBrowser,
  async t => {
    for (const [i, [name, answers, go]] of VIEWS.entries()) {
      const opened = await openPage(browser, served, { ...ANSWERS, ...answers })
      const { page, context, faults } = opened
      await go(opened)
      // one look each in the daily run, so that all four have their turn
      for (const look of UPDATES ? LOOKS : [LOOKS[(i * 3) % LOOKS.length]!]) {
        await dress(page, look)
        t.same(await faultsOf(page), [], `${name}, ${look.theme}, ${look.width} px`)
        await shoot(page, `page-${name}-${look.theme}-${look.width}`)
      }
      t.same(faults, [], `${name} keeps to its rules`)
      await context.close()
    }
  },
)

t.test(
  'When a value is revealed, then it is dots until asked for, and gone when the device is locked',
  withoutBrowser,
  async t => {
    const answers: Answers = { ...ANSWERS }
    const opened = await openPage(browser, served, answers)
    const { page, made } = opened
    await revealTwo(opened)
    const { body } = made.find(({ name }) => name === 'reveal')!
    t.match(body, {
      as: 'till',
      purpose: 'charge',
      items: [{ context: { field: 'card.number' } }, { context: { field: 'card.expiry' } }],
    })
    t.equal(
      (body as { items: unknown[] }).items.length,
      2,
      'what the purpose does not cover is not asked for',
    )
    const text = () => page.locator('body').innerText()
    t.notMatch(await page.content(), /4000 0012/, 'it is nowhere in the document')
    t.equal(await page.evaluate('document.activeElement.id'), 'results-title')
    await page.getByRole('button', { name: 'Show: card.number' }).click()
    t.match(await text(), /4000 0012 3456 7899/)
    await page.getByRole('button', { name: 'Copy: card.number' }).click()
    await page.getByText('Copied.').waitFor()
    answers.overview = seen('locked')
    await page.getByText('Taken away, because the device is not ready').waitFor()
    t.notMatch(await page.content(), /4000 0012/)
    await opened.context.close()
  },
)

t.test(
  'When the page is hidden, left or its time is over, then nothing revealed is kept',
  withoutBrowser,
  async t => {
    const answers: Answers = { ...ANSWERS, events: [{ ...seen('operational'), clearAfter: 2000 }] }
    const opened = await openPage(browser, served, answers)
    const { page } = opened
    await revealTwo(opened)
    await page.getByText('Taken away: the time was over.').waitFor()
    await page.getByRole('button', { name: 'Reveal 2 values' }).click()
    await page.getByRole('button', { name: 'Show: card.number' }).click()
    await page.evaluate(
      `Object.defineProperty(document, 'hidden', { value: true }); document.dispatchEvent(new Event('visibilitychange'))`,
    )
    await page.getByText('because the page was hidden').waitFor()
    t.notMatch(await page.content(), /4000 0012/)
    await opened.context.close()
  },
)

t.test(
  'When the PIN is wrong, then it says how it goes on, in the language of the person',
  withoutBrowser,
  async t => {
    const problem = { code: 'unlock-refused', message: 'it was not unlocked', hint: '7 tries are left' }
    const answers: Answers = {
      ...ANSWERS,
      events: [seen('locked', [till])],
      unlock: { status: 403, problem },
    }
    const { page, context, made } = await openPage(browser, served, answers, { locale: 'es-ES' })
    await page.getByLabel('PIN').fill('1111')
    await page.keyboard.press('Enter')
    const said = await page.getByRole('alert').innerText()
    t.match(said, /El PIN no era correcto.*Quedan 7 intentos/s)
    t.equal(await page.getByLabel('PIN').inputValue(), '', 'what was typed is gone')
    t.equal(await page.evaluate('document.activeElement.id'), 'secret-0')
    t.match(made.find(({ name }) => name === 'unlock')!.body, { as: 'till', secret: '1111' })
    answers.unlock = { state: 'operational' }
    answers.events = [seen('operational', [till])]
    await page.getByLabel('PIN').fill('2222')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Listo' }).waitFor()
    await context.close()
  },
)

t.test('When somebody locks down, then it asks once and says who lifts it', withoutBrowser, async t => {
  const { page, context, made } = await openPage(browser, served, { ...ANSWERS })
  await page.getByRole('button', { name: 'Lockdown' }).click()
  await page.keyboard.press('Escape')
  t.notOk(made.some(({ name }) => name === 'lockdown'))
  await page.getByRole('button', { name: 'Lockdown' }).click()
  await page.getByRole('button', { name: 'Lock down now' }).click()
  await page.getByRole('heading', { name: 'Locked down' }).waitFor()
  t.match(await page.getByRole('dialog').innerText(), /only they can lift it/)
  await context.close()
})

t.test(
  'When the labels are there, then they lie on the sheet, and no script runs among them',
  withoutBrowser,
  async t => {
    const opened = await openPage(browser, served, { ...ANSWERS })
    await VIEWS.find(([name]) => name === 'labels')![2](opened)
    const sheet = opened.page.frames().find(frame => frame.url().startsWith('blob:'))!
    t.equal(await sheet.evaluate("getComputedStyle(document.querySelector('.label')).position"), 'absolute')
    t.equal(
      await sheet.evaluate("document.querySelector('.label').style.left"),
      '70mm',
      'the first position is used up',
    )
    t.equal(
      await opened.page.locator('iframe.sheet').getAttribute('sandbox'),
      'allow-same-origin allow-modals',
    )
    await opened.context.close()
  },
)

t.test(
  'When the page is loaded, then it is no more than 120 KiB without the administration and its plots',
  withoutBrowser,
  async t => {
    const context = await browser.newContext()
    const page = await context.newPage()
    let bytes = 0
    page.on('response', response => {
      bytes += Number(response.headers()['content-length'] ?? 0)
    })
    await page.goto(served.origin, { waitUntil: 'networkidle' })
    await page.getByRole('heading', { name: 'not let in yet' }).waitFor()
    t.same(await faultsOf(page), [])
    t.comment(`${bytes} bytes`)
    t.ok(bytes > 20_000 && bytes <= MOST_BYTES, `${bytes} bytes`)
    await context.close()
  },
)

t.test(
  'When the agent ends, then the page says so, keeps nothing, and goes on by itself',
  withoutBrowser,
  async t => {
    const own = await serve()
    const { page, context } = await openPage(browser, own, {})
    await own.stop()
    await page.getByRole('heading', { name: 'not running' }).waitFor({ timeout: 20_000 })
    t.notOk(await page.getByRole('button', { name: 'Lockdown' }).isVisible())
    await context.close()
  },
)

// what is open here would keep the process
t.end()
