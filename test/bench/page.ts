/** What the staff waits for: from a click to the text in a shop's page, a sheet of labels, and what the page weighs. In a real browser. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Frame } from 'playwright-core'
import { servePage } from '../../host-agent/agent/page/page.ts'
import { bundlePage } from '../../host-agent/package/page.ts'
import { fieldOf, launchDay, letIn, openDay, openOrders, openStaff, unlock } from '../page/day.ts'
import { temporaryDirectory } from '../support/appliance.ts'
import type { Figure } from './figure.ts'
import { median } from './measure.ts'

const ROUNDS = 50
const WARM_UPS = 5
const LABELS = 40
const KIB = 1024

type Day = Awaited<ReturnType<typeof openDay>>

/** Ms from the event of a click until the value is in the document, and of a bare question to the agent, medians in turns. */
async function clicks(field: Frame): Promise<{ click: number; floor: number }> {
  const times: { click: number[]; floor: number[] } = { click: [], floor: [] }
  for (let round = -WARM_UPS; round < ROUNDS; round++) {
    await field.evaluate(`globalThis.took = new Promise(resolve => {
      let began = 0
      addEventListener('click', () => { began = performance.now() }, { capture: true, once: true })
      const watch = new MutationObserver(() => {
        if (!document.querySelector('.value')) return
        watch.disconnect()
        resolve(performance.now() - began)
      })
      watch.observe(document.body, { subtree: true, childList: true })
    }); 0`)
    await field.getByRole('button', { name: 'Reveal' }).click()
    const click = Number(await field.evaluate('took'))
    const floor = Number(
      await field.evaluate(
        `(async () => { const began = performance.now(); await (await fetch('/api/overview')).text(); return performance.now() - began })()`,
      ),
    )
    await field.getByRole('button', { name: 'Hide' }).click()
    if (round < 0) continue
    times.click.push(click)
    times.floor.push(floor)
  }
  return { click: median(times.click), floor: median(times.floor) }
}

async function withDay<T>(orders: number, work: (day: Day) => Promise<T>): Promise<T> {
  const day = await openDay(orders)
  try {
    return await work(day)
  } finally {
    await day.stop()
  }
}

/** The floor is a question that the agent refuses at once, from the same frame. */
function revealing(name: string, wire: 'serial' | 'lan'): Promise<Figure> {
  return withDay(2, async day => {
    if (wire === 'lan') await moveToLan(day)
    const browser = await launchDay()
    try {
      const context = await browser.newContext({ locale: 'en-GB' })
      const staff = await openStaff(context, day)
      await unlock(staff)
      const orders = await openOrders(context, day)
      const field = await fieldOf(orders, 'card.number orders/2')
      await letIn(context, field)
      await orders.bringToFront()
      await field.getByRole('button', { name: 'Reveal' }).hover()
      await orders.waitForTimeout(1500)
      const { click, floor } = await clicks(field)
      return { name, value: click, unit: 'ms', floor, bar: 150, better: 'lower' }
    } finally {
      await browser.close()
    }
  })
}

async function moveToLan(day: Day): Promise<void> {
  const path = join(day.home, 'desk.json')
  const profile = JSON.parse(await readFile(path, 'utf8'))
  await writeFile(path, JSON.stringify({ ...profile, addresses: [day.device.lan] }))
  await day.stopAgent()
  await day.device.unplug()
  await day.startAgent()
}

/** From the click until the sheet is there, median of five; the floor as for a reveal. */
function labels(): Promise<Figure> {
  return withDay(LABELS, async day => {
    const browser = await launchDay()
    try {
      const staff = await openStaff(await browser.newContext({ locale: 'en-GB' }), day)
      await unlock(staff)
      await staff.getByRole('link', { name: 'Labels' }).click()
      await staff.getByRole('radio', { name: 'A range' }).check()
      await staff.getByLabel('From', { exact: true }).fill('1')
      await staff.getByLabel('To', { exact: true }).fill(String(LABELS))
      const times: number[] = []
      const floors: number[] = []
      for (let round = 0; round < 6; round++) {
        const took = Number(
          await staff.evaluate(`new Promise(resolve => {
            const began = performance.now()
            new MutationObserver((_, watch) => {
              if (!document.querySelector('iframe.sheet')?.contentDocument?.querySelector('.sheet')) return
              watch.disconnect()
              resolve(performance.now() - began)
            }).observe(document.body, { subtree: true, childList: true, attributes: true })
            document.querySelector('form button.main').click()
          })`),
        )
        floors.push(
          Number(
            await staff.evaluate(
              `(async () => { const began = performance.now(); await (await fetch('/api/overview')).text(); return performance.now() - began })()`,
            ),
          ),
        )
        if (round > 0) times.push(took)
        await staff.getByRole('button', { name: 'Throw away' }).click()
      }
      const [value, floor] = [median(times), median(floors)]
      return { name: 'page-labels', value, unit: 'ms', floor, bar: 1000, better: 'lower' }
    } finally {
      await browser.close()
    }
  })
}

/** KiB of all that the browser fetches until the page is there, as packages have it; the floor is what of it is HTML and styles. */
async function weight(): Promise<Figure> {
  const directory = await temporaryDirectory()
  const web = join(directory.path, 'web')
  for (const [name, bytes] of (await bundlePage()).files) {
    await mkdir(dirname(join(web, name)), { recursive: true })
    await writeFile(join(web, name), bytes)
  }
  const holder = { list: async () => [], open: () => Promise.reject(new Error('there is no device')) }
  const served = await servePage({ directory: directory.path, holder, env: {}, port: 0, tell: () => {}, web })
  const browser = await launchDay()
  try {
    const page = await (await browser.newContext({ locale: 'en-GB' })).newPage()
    const bodies: Promise<{ type: string; bytes: number }>[] = []
    page.on('response', response => {
      if (new URL(response.url()).pathname.startsWith('/api/')) return
      const type = response.headers()['content-type'] ?? ''
      bodies.push(response.body().then(({ length }) => ({ type, bytes: length })))
    })
    await page.goto(served.invite())
    await page.locator('nav').waitFor()
    await page.waitForTimeout(500)
    const all = await Promise.all(bodies)
    const sum = (of: typeof all) => of.reduce((total, { bytes }) => total + bytes, 0) / KIB
    const floor = sum(all.filter(({ type }) => !type.includes('javascript')))
    return { name: 'page-weight', value: sum(all), unit: 'KiB', floor, bar: 120, better: 'lower' }
  } finally {
    await browser.close()
    await served.stop()
    await directory.remove()
  }
}

export const figures: { name: string; run: () => Promise<Figure> }[] = [
  { name: 'page-reveal', run: () => revealing('page-reveal', 'serial') },
  { name: 'page-reveal-lan', run: () => revealing('page-reveal-lan', 'lan') },
  { name: 'page-labels', run: labels },
  { name: 'page-weight', run: weight },
]
