/** The example shop, the device, the agent and a browser that reaches nothing but this machine: for the tests that go through a whole day. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Browser, type BrowserContext, chromium, type Frame, type Page } from 'playwright-core'
import {
  type ExampleShop,
  exampleFault,
  openExampleShop,
  STAFF_PASSWORD,
} from '../../host-agent/cli/demo/example-shop.ts'
import { DEMO_PIN } from '../../host-agent/cli/demo/story.ts'
import { temporaryDirectory } from '../support/appliance.ts'
import { CHROMIUM, withoutBrowser } from './browser.ts'

const IMAGES = fileURLToPath(new URL('../../docs/images/', import.meta.url))

/** For `t.test`: what is missing is a visible skip, but a failure when CI is set. */
export function withoutDay(): { skip?: string } {
  const fault = exampleFault()
  return withoutBrowser.skip || fault === null || process.env.CI ? withoutBrowser : { skip: fault }
}

/** All of it; `stop` ends it and removes what it made. */
export async function openDay(orders: number): Promise<ExampleShop> {
  const directory = await temporaryDirectory()
  const stage = { data: join(directory.path, 'device'), home: join(directory.path, 'home') }
  await mkdir(stage.home, { mode: 0o700 })
  const open = await openExampleShop(stage, { orders })
  const stop = async () => {
    await open.stop()
    await directory.remove()
  }
  return { ...open, stop }
}

/**
 * A browser like that of a person: playwright switches off that storage is divided by the site around a frame, and more. No name is known to it
 * but those of this machine.
 *
 * @param names - rules for more names
 */
export async function launchDay({ names = [] as string[], args = [] as string[] } = {}): Promise<Browser> {
  const rules = [...names, 'MAP * ~NOTFOUND', 'EXCLUDE 127.0.0.1', 'EXCLUDE *.localhost'].join(', ')
  return chromium.launch({
    executablePath: CHROMIUM!,
    args: [
      ...['--no-sandbox', '--disable-dev-shm-usage', `--host-resolver-rules=${rules}`],
      // the last one of a switch counts: this leaves out what playwright switches off
      '--disable-features=HttpsUpgrades,HttpsFirstBalancedModeAutoEnable',
      ...args,
    ],
  })
}

/** Requests of any page of it that were not for this machine. */
export function watchLeaks(context: BrowserContext): string[] {
  const leaks: string[] = []
  context.on('request', request => {
    const { protocol, hostname } = new URL(request.url())
    const isHere = hostname === '127.0.0.1' || hostname.endsWith('.localhost')
    if (!['blob:', 'data:'].includes(protocol) && !isHere) leaks.push(request.url())
  })
  return leaks
}

/** The staff's page, let in. */
export async function openStaff(context: BrowserContext, { invite }: ExampleShop): Promise<Page> {
  const page = await context.newPage()
  page.setDefaultTimeout(12_000)
  await page.goto(await invite())
  await page.locator('nav').waitFor()
  return page
}

export async function unlock(staff: Page): Promise<void> {
  await staff.getByRole('link', { name: 'Devices' }).click()
  await staff.locator('input.pin').fill(DEMO_PIN)
  await staff.getByRole('button', { name: 'Unlock', exact: true }).click()
  await staff.getByRole('heading', { name: 'Ready' }).waitFor()
}

/** The shop's page of orders, signed in. */
export async function openOrders(context: BrowserContext, { shop }: ExampleShop): Promise<Page> {
  const page = await context.newPage()
  page.setDefaultTimeout(12_000)
  await page.goto(`${shop}/admin.php`)
  await page.getByLabel('Password').fill(STAFF_PASSWORD)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('heading', { name: 'Orders' }).waitFor()
  return page
}

/** The frame of a field, once it is placed. @param context - such as `card.number orders/41` */
export async function fieldOf(page: Page, context: string): Promise<Frame> {
  for (let waited = 0; waited < 30_000; waited += 50) {
    const found = page.frames().find(frame => {
      const [, told = ''] = frame.url().split('#')
      return new URLSearchParams(told).get('context') === context
    })
    if (found) return found
    await sleep(50)
  }
  throw new Error(`there is no frame for ${context}`)
}

/** Lets the shop in from a field: digits compared, allowed on the agent's own page. @returns the digits */
export async function letIn(context: BrowserContext, field: Frame): Promise<string> {
  const [window] = await Promise.all([
    context.waitForEvent('page'),
    field.getByRole('button', { name: 'Let this shop in' }).click(),
  ])
  const shown = await field.getByRole('status').innerText()
  const digits = /\d{4}/.exec(shown)![0]
  window.setDefaultTimeout(12_000)
  await window.locator('.asked', { hasText: digits }).getByRole('button', { name: 'Allow' }).click()
  await field.getByRole('button', { name: 'Reveal' }).waitFor()
  await window.close()
  return digits
}

/** Clicks where a person does: on what was in view for a while. */
export async function reveal(field: Frame): Promise<string> {
  await field.getByRole('button', { name: 'Reveal' }).hover()
  await sleep(900)
  await field.getByRole('button', { name: 'Reveal' }).click()
  return field.locator('.value').innerText()
}

/** A picture for the documents, small: only when `UPDATE_IMAGES=1` is set. @param of - what it begins with */
export async function picture(page: Page, name: string, of = 'body'): Promise<void> {
  if (process.env.UPDATE_IMAGES !== '1') return
  const before = page.viewportSize()
  await page.setViewportSize({ width: 760, height: 560 })
  await page.evaluate(`document.querySelector(${JSON.stringify(of)}).scrollIntoView()`)
  await page.screenshot({ path: `${IMAGES}${name}.png`, animations: 'disabled' })
  if (before) await page.setViewportSize(before)
}

/** Rows as a thief has them. */
export function ordersOf({ site }: ExampleShop): Record<string, string | number>[] {
  const database = new DatabaseSync(join(site, 'shop.db'), { readOnly: true })
  const rows = database.prepare('SELECT * FROM orders ORDER BY id').all()
  database.close()
  return rows as Record<string, string | number>[]
}
