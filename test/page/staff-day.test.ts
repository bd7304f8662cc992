/** A day in a shop, in a real browser: a customer buys, the staff reveals in both pages, prints labels, looks back, and locks down. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { DEMO_PASSPHRASE } from '../../host-agent/cli/demo/story.ts'
import { noteProgram, versionIn } from '../support/compatibility.ts'
import { dress, faultsOf } from './browser.ts'
import {
  fieldOf,
  launchDay,
  letIn,
  openDay,
  openOrders,
  openStaff,
  ordersOf,
  picture,
  reveal,
  unlock,
  watchLeaks,
  withoutDay,
} from './day.ts'

const CARD = '4242424242424242'
const LABELS = 40
/** The one that the customer makes. */
const ORDER = LABELS + 1

t.setTimeout(150_000)

t.test('When a shop seals, then its staff has a whole day of work', withoutDay(), async t => {
  const day = await openDay(LABELS)
  t.teardown(() => day.stop())
  const browser = await launchDay()
  t.teardown(() => browser.close())
  const customers = await browser.newContext({ locale: 'en-GB' })
  const context = await browser.newContext({ locale: 'en-GB' })
  const leaks = [customers, context].map(watchLeaks)

  await t.test('When a customer buys, then the shop has nothing that can be read', async t => {
    const page = await customers.newPage()
    await page.goto(day.shop)
    await page.getByRole('button', { name: /^Order for/ }).click()
    await page.getByRole('alert').waitFor()
    const values = {
      Name: '"><b>Zoë</b>',
      'Street and number': '12 Mill Lane',
      'Postal code': 'CB1 2AD',
      Town: 'Cambridge',
      Phone: '+44 1223 456 789',
      'Card number': '4242 4242 4242 4241',
      'Valid until': '12/39',
    }
    const fill = async (texts: Record<string, string>) => {
      for (const [label, text] of Object.entries(texts)) await page.getByLabel(label).fill(text)
    }
    await fill(values)
    await page.getByLabel('Country').selectOption('GB')
    await page.getByRole('button', { name: /^Order for/ }).click()
    await page.getByText('This is not a card number.').waitFor()
    t.equal(
      await page.getByLabel('Name').inputValue(),
      values.Name,
      'what was typed is a text, whatever it is',
    )
    t.equal(await page.getByLabel('Card number').inputValue(), '', 'a card is not sent back')
    for (const look of [
      { theme: 'light', width: 1280 },
      { theme: 'dark', width: 360 },
    ] as const) {
      await dress(page, look)
      t.same(await faultsOf(page), [], `${look.theme}, ${look.width}`)
    }
    await fill({ Name: 'Zoë Müller', 'Card number': '4242 4242 4242 4242' })
    await page.getByRole('button', { name: /^Order for/ }).click()
    await page.getByText(`no. ${ORDER}`).waitFor()
    const row = ordersOf(day).at(-1)!
    for (const column of ['card_number', 'address_rest', 'phone_number'])
      t.match(row[column], /^clv1\.x\.orders\.1\./)
    t.match(row, { id: ORDER, card_brand: 'visa', card_last4: '4242', card_expiry: '2039-12', country: 'GB' })
    const file = await readFile(join(day.site, 'shop.db'))
    for (const text of [CARD, 'Zoë Müller', 'Mill Lane', '1223456789'])
      t.notOk(file.includes(text), 'nothing in the file')
    const forged = await fetch(day.shop.replace('shop.localhost', '127.0.0.1'), {
      method: 'POST',
      body: new URLSearchParams({ name: 'x' }),
    })
    t.equal(forged.status, 403, 'a form from elsewhere is refused')
  })

  const staff = await openStaff(context, day)
  await t.test('When the staff begins, then the page is let in once and the PIN unlocks', async t => {
    await staff.getByRole('heading', { name: 'Locked' }).waitFor()
    t.notMatch(staff.url(), /pair=/)
    await unlock(staff)
  })

  const note = { door: 'browsers', program: 'Chromium', version: versionIn(browser.version()) } as const
  await t.test('When somebody looks an order up, then the page reveals it', async t => {
    noteProgram(t, { ...note, does: 'reveals a field in the staff’s page' })
    await staff.getByRole('link', { name: 'Reveal', exact: true }).click()
    await staff.getByRole('radio', { name: 'Look up' }).check()
    await staff.getByLabel('Key (id)').fill(String(ORDER))
    await staff.getByRole('button', { name: 'Find' }).click()
    await staff.getByLabel('card_number').check()
    await staff.getByRole('button', { name: 'Reveal 1 value' }).click()
    await staff.getByRole('button', { name: 'Show: card.number' }).click()
    t.equal(await staff.locator('.value').innerText(), CARD)
    await picture(staff, 'staff-page')
    await staff.getByRole('button', { name: 'Take away now' }).click()
  })

  const orders = await openOrders(context, day)
  const card = await fieldOf(orders, `card.number orders/${ORDER}`)
  await t.test(
    'When the shop asks to show fields, then digits are compared, and a click reveals',
    async t => {
      noteProgram(t, { ...note, does: 'reveals a field in a page of the shop, which cannot read it' })
      await card.getByText('visa •••• 4242').waitFor()
      t.match(await letIn(context, card), /^\d{4}$/)
      await orders.bringToFront()
      t.equal(await reveal(card), CARD)
      const address = await fieldOf(orders, `address.rest orders/${ORDER}`)
      t.equal(
        await reveal(address),
        'Zoë Müller, 12 Mill Lane, Cambridge',
        'the other fields of the shop are let in too',
      )
      t.notMatch(
        await orders.content(),
        /4242424242424242|Mill Lane/,
        'and nothing of it is in the shop’s own page',
      )
      for (const look of [
        { theme: 'dark', width: 360 },
        { theme: 'light', width: 1280 },
      ] as const) {
        await dress(orders, look)
        t.same(await faultsOf(orders), [], `${look.theme}, ${look.width}`)
      }
      await picture(orders, 'shop-orders')
    },
  )

  await t.test('When labels are printed, then it is told how far they are', async t => {
    noteProgram(t, { ...note, does: 'shows sheets of labels to print' })
    await staff.bringToFront()
    await staff.evaluate(`globalThis.told = []; new MutationObserver(() => {
      const text = document.querySelector('progress + p')?.textContent; if (text) told.push(text) }).observe(document.body, { subtree: true, childList: true, characterData: true })`)
    await staff.getByRole('link', { name: 'Labels' }).click()
    await staff.getByRole('radio', { name: 'A range' }).check()
    await staff.getByLabel('From', { exact: true }).fill('1')
    await staff.getByLabel('To', { exact: true }).fill(String(LABELS))
    await staff.getByRole('button', { name: `Make ${LABELS} labels` }).click()
    await staff.getByText(`${LABELS} labels are ready.`).waitFor()
    t.match((await staff.evaluate('told')) as string[], new RegExp(`of ${LABELS}`))
    const sheet = staff.frameLocator('iframe.sheet')
    await sheet.getByText('Gänsemarkt 36').first().waitFor()
    t.equal(
      await sheet.getByText(/Damrak 12|Gänsemarkt 36|Calle de Alcal|Bank Street|rue des Lilas/i).count(),
      LABELS,
    )
    await picture(staff, 'staff-labels')
  })

  await t.test('When somebody asks for today, then it is there, without a value', async t => {
    await staff.getByRole('link', { name: 'Today' }).click()
    await staff.getByRole('cell', { name: 'charge' }).first().waitFor()
    const text = await staff.locator('table').innerText()
    t.match(text, new RegExp(`card\\.number.*orders/${ORDER}`, 's'))
    t.match(text, /ship/)
    t.notMatch(text, /4242|Mill Lane/)
  })

  await t.test('When somebody locks down while a value is shown, then it vanishes', async t => {
    await orders.bringToFront()
    if (await card.getByRole('button', { name: 'Hide' }).isVisible())
      await card.getByRole('button', { name: 'Hide' }).click()
    await reveal(card)
    await staff.bringToFront()
    await staff.getByRole('button', { name: 'Lockdown' }).click()
    await staff.getByRole('button', { name: 'Lock down now' }).click()
    await staff.getByRole('heading', { name: 'Locked down' }).waitFor()
    await card.locator('.value').waitFor({ state: 'detached', timeout: 3000 })
    await card.getByText('Lockdown', { exact: true }).waitFor()
    t.notMatch(await card.content(), new RegExp(CARD))
    await staff.getByRole('button', { name: 'Close' }).click()
  })

  await t.test('When the administrator lifts it, then work goes on', async t => {
    await staff.getByRole('link', { name: 'Devices' }).click()
    await staff.getByLabel('Passphrase of the administrator').fill(DEMO_PASSPHRASE)
    await staff.getByRole('button', { name: 'Lift the lockdown' }).click()
    await staff.getByRole('heading', { name: 'Locked', exact: true }).waitFor()
    await staff.getByLabel('Unlock as').selectOption('desk')
    await unlock(staff)
    await orders.bringToFront()
    t.equal(await reveal(card), CARD)
  })

  await t.test(
    'When the shop is a site of the internet, then the browser wants it allowed first',
    async t => {
      const { port } = new URL(day.shop)
      const strict = await launchDay({ args: [`--ip-address-space-overrides=127.0.0.1:${port}=public`] })
      t.teardown(() => strict.close())
      const context = await strict.newContext({ locale: 'en-GB' })
      const page = await openOrders(context, day)
      t.equal(
        await page.evaluate(
          "navigator.permissions.query({ name: 'loopback-network' }).then(({ state }) => state)",
        ),
        'denied',
        'without a screen nobody can be asked',
      )
      const placed = page.frames().filter(frame => frame.url().startsWith(day.agent))
      for (const frame of placed) t.equal(await frame.getByRole('button').count(), 0, 'there is no field')
      await context.grantPermissions(['local-network-access'], { origin: day.shop })
      await page.reload()
      const field = await fieldOf(page, `card.number orders/${ORDER}`)
      await field.getByRole('button', { name: 'Let this shop in' }).waitFor()
    },
  )

  t.same(leaks.flat(), [], 'and nothing was ever asked of another machine')
})
