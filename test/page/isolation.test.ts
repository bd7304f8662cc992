/** What a shop that was taken over, a stranger's site and other accidents get of a revealed value in a real browser: nothing. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BrowserContext, Frame, Page } from 'playwright-core'
import t from 'tap'
import {
  fieldOf,
  launchDay,
  letIn,
  openDay,
  openOrders,
  openStaff,
  ordersOf,
  reveal,
  unlock,
  watchLeaks,
  withoutDay,
} from './day.ts'
import { SNOOP, servePages } from './hostile.ts'

/** Names that differ in nothing but the order: a card of 16 digits, and one of 15. */
const [VISA, AMEX] = [1, 4]
const LABELS = 40

t.setTimeout(200_000)

t.test('When everything around a field is hostile, then what is in it stays there', withoutDay(), async t => {
  const day = await openDay(LABELS)
  t.teardown(() => day.stop())
  const pages = await servePages()
  t.teardown(() => pages.stop())
  const shop = `http://taken-over.localhost:${pages.port}`
  const stranger = `http://stranger.localhost:${pages.port}`
  const settings = async (change: (page: { shops: string[]; clearAfter?: number }) => void) => {
    const path = join(day.home, 'settings.json')
    const whole = JSON.parse(await readFile(path, 'utf8'))
    change(whole.page)
    await writeFile(path, JSON.stringify(whole))
  }
  await settings(page => page.shops.push(shop))
  const browser = await launchDay({ names: ['MAP evil.test 127.0.0.1'] })
  t.teardown(() => browser.close())
  const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1000, height: 700 } })
  const leaks = watchLeaks(context)
  const staff = await openStaff(context, day)
  await unlock(staff)
  const rows = ordersOf(day)

  /** The shop's own markup for a field. @param from - what it claims to be */
  const markup = (id: number, from = shop) => {
    const told = new URLSearchParams({
      token: String(rows[id - 1]!.card_number),
      context: `card.number orders/${id}`,
      purpose: 'charge',
      hint: 'card',
    })
    return `<iframe id="field" style="width:420px;height:36px;border:0" src="${day.agent}/field?from=${encodeURIComponent(from)}#${told}"></iframe>`
  }
  const html = (body: string) =>
    `<!doctype html><meta charset="utf-8"><title>shop</title><body style="margin:40px">${body}`
  const visit = async (origin: string, body: string) => {
    pages.page(html(body))
    const page = await context.newPage()
    page.setDefaultTimeout(12_000)
    await page.goto(`${origin}/`)
    return page
  }
  /** Values that the device opened for the desk until now. */
  const openings = async () => {
    await staff.getByRole('link', { name: 'Devices' }).click()
    await staff.getByRole('link', { name: 'Today' }).click()
    await sleep(700)
    return staff.getByRole('cell', { name: 'charge', exact: true }).count()
  }

  const jack = await visit(shop, markup(VISA))
  const field = await fieldOf(jack, `card.number orders/${VISA}`)
  await letIn(context, field)
  await jack.bringToFront()

  await t.test('When the click is stolen, then nothing is opened', async t => {
    const before = await openings()
    await jack.bringToFront()
    for (const [name, prepare] of Object.entries(TRICKS)) {
      await jack.goto(`${shop}/`)
      const target = await fieldOf(jack, `card.number orders/${VISA}`)
      const button = target.getByRole('button', { name: 'Reveal' })
      await button.waitFor()
      await sleep(700)
      const { x, y, width, height } = (await button.boundingBox())!
      const at = { x: x + width / 2, y: y + height / 2 }
      await jack.mouse.move(at.x, at.y - 30)
      await jack.evaluate(prepare)
      if (prepare === '') await jack.mouse.move(at.x, at.y)
      if (!/before the click|under the pointer/.test(name)) await sleep(400)
      await jack.mouse.click(at.x, at.y)
      await (prepare === '' ? target.locator('.value').waitFor() : sleep(300))
      if (prepare === '')
        t.match(await target.content(), /\d{15}/, 'while without a trick the same click opens')
      else t.notMatch(await target.content(), /\d{15}/, name)
    }
    t.equal(await openings(), before + 1, 'the log has that one opening alone')
  })

  await t.test('When the page looks at the frame, then two values look the same, and like none', async t => {
    const looks: unknown[] = []
    for (const id of [VISA, AMEX]) {
      const page = await visit(shop, markup(id))
      const target = await fieldOf(page, `card.number orders/${id}`)
      await target.getByRole('button', { name: 'Reveal' }).waitFor()
      await sleep(700)
      const before = await page.evaluate(SNOOP)
      t.match(await reveal(target), id === VISA ? /^\d{16}$/ : /^\d{15}$/)
      const after = (await page.evaluate(SNOOP)) as Record<string, unknown>
      t.same(after, before, 'before and after')
      t.match(after, { contentDocument: 'null', frames: 0, messages: [] })
      for (const name of ['document', 'location', 'name', 'localStorage', 'origin'])
        t.equal(after[name], 'SecurityError', name)
      looks.push(after)
      await page.close()
    }
    t.same(looks[0], looks[1])
    t.notOk(pages.asked.some(path => /\d{15}/.test(path)))
  })

  await t.test('When another origin embeds it, then there is no field', async t => {
    for (const from of [shop, stranger]) {
      const page = await visit(
        stranger,
        `${markup(VISA, from)}<iframe id="whole" src="${day.agent}/"></iframe>`,
      )
      await sleep(1500)
      for (const frame of page.frames().slice(1)) {
        const text = await frame
          .locator('body')
          .innerText()
          .catch(() => '')
        t.notMatch(text, /Reveal|Let this shop in|Devices/, `${from}: ${frame.url().slice(0, 40)}`)
      }
      await page.close()
    }
  })

  await t.test(
    'When a stranger’s page asks the agent, then it learns nothing and changes nothing',
    async t => {
      const invitation = await day.invite()
      const code = new URL(invitation).hash.slice('#pair='.length)
      const page = await visit(stranger, '')
      const got = await page.evaluate(`(async () => {
      const tell = promise => promise.then(async response => response.type + ' ' + response.status + ' ' + (await response.text()), error => error.name)
      const agent = ${JSON.stringify(day.agent)}, body = JSON.stringify({ code: ${JSON.stringify(code)} })
      const load = (tag, path) => new Promise(resolve => {
        const element = Object.assign(document.createElement(tag), { src: agent + path, onload: () => resolve('loaded'), onerror: () => resolve('error') })
        document.body.append(element)
      })
      return [
        await tell(fetch(agent + '/api/overview')),
        await tell(fetch(agent + '/api/overview', { headers: { authorization: 'Bearer x' } })),
        await tell(fetch(agent + '/api/pair', { method: 'POST', body, headers: { 'content-type': 'application/json' } })),
        await tell(fetch(agent + '/api/pair', { method: 'POST', body, mode: 'no-cors' })),
        await tell(fetch(agent + '/', { mode: 'no-cors' })),
        await load('img', '/icon.svg'), await load('script', '/main.ts'),
      ]
    })()`)
      t.same(got, ['TypeError', 'TypeError', 'TypeError', 'TypeError', 'TypeError', 'error', 'error'])
      const other = await browser.newContext()
      const mine = await other.newPage()
      await mine.goto(invitation)
      await mine.locator('nav').waitFor()
      t.pass('the code is still good for who it was made for')
      await Promise.all([other.close(), page.close()])
    },
  )

  await t.test('When a name is led to this machine, then the agent says nothing to it', async t => {
    const page = await context.newPage()
    const { port } = new URL(day.agent)
    const response = await page.goto(`http://evil.test:${port}/`).catch((error: Error) => error.message)
    if (typeof response === 'string') t.match(response, /ERR_/)
    else {
      t.equal(response!.status(), 421)
      t.equal(await response!.text(), '')
    }
    const asked = await page
      .evaluate("fetch('/api/overview').then(r => r.status, e => e.name)")
      .catch(() => 'TypeError')
    t.ok(asked === 421 || asked === 'TypeError', String(asked))
    leaks.splice(0, leaks.length, ...leaks.filter(url => !url.startsWith(`http://evil.test:${port}/`)))
    await page.close()
  })

  const orders = await openOrders(context, day)
  const newest = `card.number orders/${LABELS}`
  const card = await fieldOf(orders, newest)
  await letIn(context, card)
  const shownAgain = async (target: Frame, page: Page) => {
    await page.bringToFront()
    return reveal(target)
  }
  const isGone = async (target: Frame) => {
    await target.locator('.value').waitFor({ state: 'detached', timeout: 7000 })
    return !/\d{15}/.test(await target.content())
  }

  await t.test('When there are two tabs, then locking in one takes the value from the other', async t => {
    await shownAgain(card, orders)
    const second = await openStaffAgain(context, day.agent)
    await second.getByRole('button', { name: 'Lock', exact: true }).click()
    t.ok(await isGone(card))
    await second.close()
    await staff.bringToFront()
    await unlock(staff)
  })

  await t.test('When the tab is hidden, then the value is gone when it comes back', async t => {
    await shownAgain(card, orders)
    await hide(card)
    t.ok(await isGone(card))
  })

  await t.test(
    'When the agent ends in the middle, then the value goes with it, and comes back with it',
    async t => {
      await shownAgain(card, orders)
      await day.stopAgent()
      t.ok(await isGone(card))
      await card.getByText('Claviger does not answer').waitFor()
      await day.startAgent()
      await card.getByRole('button', { name: 'Reveal' }).waitFor()
      t.match(await shownAgain(card, orders), /^\d{15,16}$/, 'without being let in again')
    },
  )

  await t.test(
    'When the cable is pulled in the middle of labels, then it is said, and they can be made again',
    async t => {
      await staff.bringToFront()
      await staff.getByRole('link', { name: 'Labels' }).click()
      await staff.getByRole('radio', { name: 'A range' }).check()
      await staff.getByLabel('From', { exact: true }).fill('1')
      await staff.getByLabel('To', { exact: true }).fill(String(LABELS))
      const make = staff.getByRole('button', { name: `Make ${LABELS} labels` })
      // as a click, but without waiting for what comes of it
      await make.evaluate((button: unknown) => (button as { click(): void }).click())
      await day.device.unplug()
      const outcome = staff
        .locator('.problem')
        .or(staff.getByText(/labels are ready|No device is ready/))
        .first()
      await outcome.waitFor()
      await staff.goto(`${day.agent}/#home`)
      await staff.locator('.device[data-state=silent], .device[data-state=operational]').first().waitFor()
      await day.device.plugIn()
      await staff.locator('.device[data-state=operational]').waitFor()
      await staff.getByRole('link', { name: 'Labels' }).click()
      await make.click()
      await staff.getByText(`${LABELS} labels are ready.`).waitFor()
      t.pass()
    },
  )

  await t.test('When nobody does anything, then the value goes by itself', async t => {
    await settings(page => {
      page.clearAfter = 5
    })
    await orders.reload()
    const again = await fieldOf(orders, newest)
    await shownAgain(again, orders)
    const began = performance.now()
    t.ok(await isGone(again))
    t.ok(performance.now() - began < 7000)
  })

  t.same(leaks, [], 'and nothing was ever asked of another machine')
})

/** Each leaves the button where a click goes, but not to be seen, or not for long. */
const TRICKS: Record<string, string> = {
  invisible: "field.style.opacity = '0'",
  'faded by what is around it': "document.body.style.opacity = '0.2'",
  'covered, but for clicks': `document.body.insertAdjacentHTML('beforeend',
    '<div style="position:fixed;inset:0;background:#fff;pointer-events:none">Win a prize</div>')`,
  'covered in part': `document.body.insertAdjacentHTML('beforeend',
    '<div style="position:fixed;left:40px;top:40px;width:200px;height:36px;background:#fff;pointer-events:none">Win</div>')`,
  filtered: "field.style.filter = 'contrast(0)'",
  clipped: "field.style.clipPath = 'inset(0 0 0 85%)'",
  'brought back before the click': `field.style.transform = 'translateX(-5000px)';
    new Promise(resolve => setTimeout(() => { field.style.transform = ''; resolve() }, 500))`,
  'moved under the pointer': `field.style.transform = 'translateY(300px)';
    new Promise(resolve => setTimeout(() => { field.style.transform = ''; requestAnimationFrame(resolve) }, 900))`,
  'clicked by a script': `field.click(); field.contentWindow.focus(); field.contentWindow.postMessage('click', '*');
    field.dispatchEvent(new MouseEvent('click', { bubbles: true, clientX: 400, clientY: 10 })); field.style.visibility = 'hidden'`,
  none: '',
}

/** The staff's page in one more tab. */
async function openStaffAgain(context: BrowserContext, agent: string): Promise<Page> {
  const page = await context.newPage()
  page.setDefaultTimeout(12_000)
  await page.goto(`${agent}/`)
  await page.locator('nav').waitFor()
  return page
}

/** What the browser tells a document when another tab is in front of it: a browser without a screen hides none. */
async function hide(frame: Frame): Promise<void> {
  await frame.evaluate(`Object.defineProperty(document, 'hidden', { value: true, configurable: true });
    document.dispatchEvent(new Event('visibilitychange')); delete document.hidden`)
}
