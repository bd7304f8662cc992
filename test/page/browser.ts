/**
 * The Chromium that is installed, driven by playwright-core: what the tests of the staff's page have in common. Pictures are written only
 * when `UPDATE_IMAGES=1` is set.
 */
import { existsSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import type { AxeResults } from 'axe-core'
import { type Browser, chromium, type Frame, type Page } from 'playwright-core'

const PLACES = [
  process.env.CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
]
const IMAGES = fileURLToPath(new URL('../../docs/images/', import.meta.url))

/** Path of the browser, `undefined` where none is installed. */
export const CHROMIUM = PLACES.find(path => path !== undefined && existsSync(path))

/** For `t.test`: a visible skip where there is no browser, but a failure when CI is set. */
export const withoutBrowser: { skip?: string } =
  CHROMIUM || process.env.CI ? {} : { skip: 'Chromium is not installed' }

/** @throws where there is none */
export async function launchBrowser(): Promise<Browser> {
  if (!CHROMIUM) throw new Error('Chromium is not installed')
  // a container has no namespaces for the browser's own sandbox, and often little /dev/shm
  return chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-dev-shm-usage'] })
}

/** What a view is looked at in. */
export interface Look {
  readonly theme: 'light' | 'dark'
  readonly width: number
}

export const LOOKS: readonly Look[] = [
  { theme: 'light', width: 1280 },
  { theme: 'dark', width: 1280 },
  { theme: 'light', width: 360 },
  { theme: 'dark', width: 360 },
]

export async function dress(page: Page, { theme, width }: Look): Promise<void> {
  await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
  await page.setViewportSize({ width, height: width < 600 ? 780 : 900 })
}

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** What keeps people out, a line each; empty where there is nothing. Widths are looked at too: nothing may need a sideways scroll. */
export async function faultsOf(page: Page | Frame): Promise<string[]> {
  await page.evaluate(axe)
  // a frame of one line belongs to the headings of the page around it
  const rules = 'parentFrame' in page ? { 'page-has-heading-one': { enabled: false } } : {}
  const runOnly = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
  const { violations } = (await page.evaluate(`axe.run(${JSON.stringify({ runOnly, rules })})`)) as AxeResults
  const wide = await page.evaluate(
    'document.documentElement.scrollWidth > document.documentElement.clientWidth',
  )
  return [
    ...violations.flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary = '' }) => `${id}: ${html.slice(0, 200)} ${failureSummary}`),
    ),
    ...(wide ? ['the page is wider than its window'] : []),
  ]
}

/** A picture for the documents. @param name - without its end */
export async function shoot(page: Page, name: string, folder: string = IMAGES): Promise<void> {
  if (process.env.UPDATE_IMAGES !== '1') return
  await mkdir(folder, { recursive: true })
  await page.screenshot({ path: `${folder}/${name}.png`, animations: 'disabled', fullPage: true })
}

/** Everything that the page tells of going wrong: refusals by its own rules, errors, requests that lead elsewhere. */
export function watchFaults(page: Page, origins: readonly string[]): string[] {
  const faults: string[] = []
  page.on('pageerror', error => faults.push(`error: ${error.message}`))
  page.on('console', message => {
    // a call that is refused on purpose is written there too
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      faults.push(`console: ${message.text()}`)
  })
  page.on('request', request => {
    const url = new URL(request.url())
    if (url.protocol !== 'blob:' && url.protocol !== 'data:' && !origins.includes(url.origin))
      faults.push(`request: ${url.href}`)
  })
  return faults
}
