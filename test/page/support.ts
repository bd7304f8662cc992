/** The page as the real agent serves it, with no device behind it, opened in a browser that was let in. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { type ServedPage, servePage } from '../../host-agent/agent/page/page.ts'
import { watchFaults } from './browser.ts'
import { type Answers, type Made, pretend } from './fixtures.ts'

/** A server of the page. @param shops - origins whose pages may have frames */
export async function serve(shops: readonly string[] = []): Promise<ServedPage> {
  const directory = await mkdtemp(join(tmpdir(), 'claviger-page-'))
  await writeFile(join(directory, 'settings.json'), JSON.stringify({ page: { shops } }), { mode: 0o600 })
  const served = await servePage({
    directory,
    holder: { list: async () => [], open: () => Promise.reject(new Error('there is no device')) },
    env: {},
    port: 0,
    tell: () => {},
  })
  const stop = async () => {
    await served.stop()
    await rm(directory, { recursive: true, force: true })
  }
  return { ...served, stop }
}

/** A page of a browser that has nothing stored. */
export interface Opened {
  readonly context: BrowserContext
  readonly page: Page
  readonly made: Made
  /** See {@link watchFaults}. */
  readonly faults: string[]
}

export async function openPage(
  browser: Browser,
  { origin, invite }: ServedPage,
  answers: Answers,
  { locale = 'en-GB', isPaired = true } = {},
): Promise<Opened> {
  const context = await browser.newContext({ locale, permissions: ['clipboard-read', 'clipboard-write'] })
  const page = await context.newPage()
  page.setDefaultTimeout(10_000)
  const faults = watchFaults(page, [origin])
  const made = await pretend(page, answers)
  await page.goto(isPaired ? invite() : origin)
  if (isPaired) await page.locator('nav').waitFor()
  return { context, page, made, faults }
}
