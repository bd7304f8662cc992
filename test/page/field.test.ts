/**
 * `<claviger-field>` in a page of a shop: it asks, a person lets it in on the agent's own page, and a click on what is really seen reveals.
 * The shop is on another origin than the agent; the device's answers are made up.
 */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { stripTypeScriptTypes } from 'node:module'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { faultsOf, launchBrowser, shoot, withoutBrowser } from './browser.ts'
import { type Answers, pretend, seen, TOKEN } from './fixtures.ts'
import { openPage, serve } from './support.ts'

t.setTimeout(150_000)
const ELEMENT = stripTypeScriptTypes(
  await readFile(new URL('../../host-agent/field/claviger-field.ts', import.meta.url), 'utf8'),
)

/** A shop's page, stricter than most. */
async function openShop(agent: () => string) {
  const server = createServer((request, response) => {
    const isScript = request.url === '/field.js'
    response.writeHead(200, {
      'content-type': isScript ? 'text/javascript' : 'text/html; charset=utf-8',
      'content-security-policy': `default-src 'none'; script-src 'self'; style-src 'self'; frame-src ${agent()}`,
    })
    response.end(
      isScript
        ? ELEMENT
        : `<!doctype html><html lang="en"><title>Shop</title><main><h1>Order 17</h1><script type="module" src="/field.js"></script>
<claviger-field agent="${agent()}" token="${TOKEN}" context="card.number orders/17" purpose="charge" hint="•••• 4242"></claviger-field></main></html>`,
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { origin, stop: () => new Promise(resolve => server.close(resolve).closeAllConnections()) }
}

t.test(
  'When a shop asks to show a field, then a person lets it in, and a click on what is seen reveals',
  withoutBrowser,
  async t => {
    let agent = ''
    const shop = await openShop(() => agent)
    const served = await serve([shop.origin])
    agent = served.origin
    const browser = await launchBrowser()
    t.teardown(async () => {
      await browser.close()
      await Promise.all([shop.stop(), served.stop()])
    })
    const { context } = await openPage(browser, served, {})
    const answers: Answers = {
      overview: seen('operational'),
      reveal: { results: [{ value: '4000 0012 3456 7899' }], entry: 7 },
    }
    const made = await pretend(context, answers)
    const page = await context.newPage()
    page.setDefaultTimeout(20_000)
    const attached = page.waitForEvent('framenavigated', one => one.url().startsWith(agent))
    await page.goto(shop.origin)
    // by its address: the root around it is closed
    const field = await attached
    await field.getByText('•••• 4242').waitFor()
    const [window] = await Promise.all([
      context.waitForEvent('page'),
      field.getByRole('button', { name: 'Let this shop in' }).click(),
    ])
    const digits = /\d{4}/.exec(await field.getByRole('status').innerText())![0]
    t.match(window.url(), /#frames$/)
    await window.getByText(`${shop.origin} wants to show fields`).waitFor()
    await window.getByText(digits, { exact: true }).waitFor()
    await window.getByRole('button', { name: `Allow: ${shop.origin}` }).click()
    await field.getByRole('button', { name: 'Reveal' }).waitFor()
    await window.close()
    await page.bringToFront()

    t.same(await faultsOf(field), [])
    await field.evaluate("document.querySelector('#reveal').click()")
    await page.evaluate("document.querySelector('claviger-field').style.opacity = '0.5'")
    await page.waitForTimeout(400)
    await field.getByRole('button', { name: 'Reveal' }).click()
    await field.getByText('Keep this field in view').waitFor()
    t.notOk(
      made.some(({ name }) => name === 'reveal'),
      'neither a click of a program nor one on a faded field reveals',
    )
    await page.evaluate("document.querySelector('claviger-field').style.opacity = ''")
    await field.getByRole('button', { name: 'Reveal' }).hover()
    await page.waitForTimeout(1200)
    await field.getByRole('button', { name: 'Reveal' }).click()
    await field.getByText('4000 0012 3456 7899').waitFor()
    t.same(made.find(({ name }) => name === 'reveal')!.body, {
      as: 'till',
      purpose: 'charge',
      items: [{ ciphertext: TOKEN, context: { field: 'card.number', record: 'orders/17' } }],
    })
    t.same(await faultsOf(field), [])
    await shoot(page, 'field-revealed')
    t.notMatch(await page.content(), /4000 0012/, 'the shop’s page has none of it')
    answers.overview = seen('lockdown')
    await field.getByText('Lockdown').waitFor()
    t.notMatch(await field.content(), /4000 0012/)
    answers.overview = seen('operational')
    answers.reveal = {
      status: 429,
      problem: { code: 'over-budget', message: '', free: new Date(Date.now() + 60_000).toISOString() },
    }
    await field.getByRole('button', { name: 'Reveal' }).click()
    await field.getByText('Budget used up until').waitFor()
  },
)

t.test('When no agent answers, then the hint stays and it is said why', withoutBrowser, async t => {
  const shop = await openShop(() => 'http://127.0.0.1:9')
  const browser = await launchBrowser()
  t.teardown(async () => {
    await browser.close()
    await shop.stop()
  })
  const context = await browser.newContext({ locale: 'es-ES' })
  const page = await context.newPage()
  await page.goto(shop.origin)
  await page.locator('claviger-field').waitFor()
  await page.waitForTimeout(3500)
  // the root is closed to scripts of the page, but not to who looks at it
  t.equal(await page.evaluate("document.querySelector('claviger-field').shadowRoot"), null)
  const session = await context.newCDPSession(page)
  const { root } = await session.send('DOM.getDocument', { depth: -1, pierce: true })
  t.match(JSON.stringify(root), /•••• 4242 · Claviger no está en marcha en este equipo/)
})
