/** The staff's page: its parts put together, and served until the agent ends. docs/formats/page.md. */
import { isAbsolute, join } from 'node:path'
import { readSettings, readShops } from '../../client/settings.ts'
import type { Overview } from './api.ts'
import { Browsers } from './browsers.ts'
import { Codes } from './codes.ts'
import { Enrolments } from './enrolments.ts'
import { Files } from './files.ts'
import { Frames } from './frames.ts'
import { HealthHistory } from './history.ts'
import type { DeviceHolder } from './route.ts'
import { originOf } from './rules.ts'
import { type LIMITS, listen } from './server.ts'
import { Shop } from './shop.ts'

/** What calls are answered with. */
export interface Parts {
  /** Of the enrolments. */
  readonly directory: string
  readonly codes: Codes
  readonly browsers: Browsers
  readonly frames: Frames
  readonly enrolments: Enrolments
  readonly shop: Shop
  readonly history: HealthHistory
  readonly files: Files
  /** Called when an enrolment's state changes. */
  readonly changes: Set<() => void>
  /** Origins whose pages may hold frames, as the settings say now. */
  shops(): Promise<readonly string[]>
  overview(): Promise<Overview>
  /** Tells the person at the agent one line. */
  tell(line: string): void
}

/** How to serve it. */
export interface PageOptions {
  directory: string
  holder: DeviceHolder
  env: NodeJS.ProcessEnv
  port: number
  tell(line: string): void
  /** Path of the machine's settings, another one for tests. */
  machine?: string
  /** Folder of the browser's side, likewise. */
  web?: string
  /** Times that a request may take, likewise. */
  limits?: Partial<typeof LIMITS>
}

/** A page that is served. */
export interface ServedPage {
  /** `http://127.0.0.1:7119` */
  readonly origin: string
  /** The address with a fresh one-time code, for one browser. */
  invite(): string
  stop(): Promise<void>
}

/** @throws ConnectionError `unreachable` where the port cannot be had */
export async function servePage({
  directory,
  holder,
  env,
  port,
  tell,
  machine,
  web,
  limits,
}: PageOptions): Promise<ServedPage> {
  const changes = new Set<() => void>()
  const enrolments = new Enrolments({
    directory,
    holder,
    onChange: () => {
      for (const wake of changes) wake()
    },
  })
  const mappingPath = async () => {
    const { mapping } = (await readSettings(directory)).page
    return mapping === undefined || isAbsolute(mapping) ? mapping : join(directory, mapping)
  }
  const shop = new Shop(mappingPath, env)
  const parts: Parts = {
    directory,
    codes: new Codes(),
    browsers: await Browsers.open(directory, tell),
    frames: new Frames(),
    enrolments,
    shop,
    history: new HealthHistory(),
    files: await Files.open(web),
    changes,
    shops: () => readShops(directory, machine),
    overview: async () => {
      const [seen, described, { page }] = await Promise.all([
        enrolments.overview(),
        shop.describe(),
        readSettings(directory),
      ])
      return { ...seen, ...described, clearAfter: page.clearAfter * 1000 }
    },
    tell,
  }
  const server = await listen(port, parts, limits)
  const origin = originOf(server.port)
  return {
    origin,
    invite: () => `${origin}/#pair=${parts.codes.make()}`,
    stop: async () => {
      parts.history.stop()
      await Promise.all([server.close(), enrolments.stop()])
    },
  }
}
