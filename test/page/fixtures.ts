/** What a made-up agent answers, typed by the page's contract, and how a browser is led to believe it. */
import type { BrowserContext, Page } from 'playwright-core'
import type {
  AdminAnswer,
  Enrolment,
  Overview,
  PageCalls,
  PageProblem,
} from '../../host-agent/agent/page/api.ts'
import { fit } from '../../host-agent/shop/labels/fit.ts'
import { labelPage } from '../../host-agent/shop/labels/page.ts'
import { stockOf } from '../../host-agent/shop/labels/stock.ts'

const STOCK = stockOf('3x8')
const SHEET = labelPage(
  ['Maria Example', 'Jordi Ejemplo'].map((name, i) => {
    const lines = [name, `Example Street ${i + 1}`, '1012 AB AMSTERDAM']
    return { record: `orders/${17 + i}`, country: 'NL', lines, fitted: fit(lines, 58, 28)!, packing: [] }
  }),
  STOCK,
  { skip: 1, hasPacking: false },
)

const NOW = Date.now()
const iso = (ago: number) => new Date(NOW - ago).toISOString()
const hours = (n: number) => n * 3_600_000

export const till: Enrolment = {
  name: 'till',
  role: 'operator',
  namespace: 'flowers',
  serial: 'clv-7h3k-92mq',
  wire: 'usb',
  state: 'operational',
  asks: 'pin',
  waitsForTouch: 0,
  purposes: [
    {
      name: 'charge',
      fields: ['card.*'],
      reveal: ['full'],
      budgets: [{ per: 'day', records: 34, operations: null }],
    },
    {
      name: 'ship',
      fields: ['address.*', 'phone'],
      reveal: ['full', 'mask'],
      budgets: [{ per: 'hour', records: 180, operations: 20 }],
    },
  ],
}

export const boss: Enrolment = {
  ...till,
  name: 'boss',
  role: 'administrator',
  asks: 'passphrase',
  purposes: [],
}

export const overview: Overview = {
  enrolments: [till, boss],
  strangers: [],
  tables: [
    {
      name: 'orders',
      key: ['id'],
      sealed: [
        { column: 'card_number', field: 'card.number' },
        { column: 'street', field: 'address.street' },
      ],
      readable: ['status', 'total'],
      addresses: ['shipping'],
    },
  ],
  clearAfter: 30_000,
}

/** The same with another state, and only what is named of the enrolments. */
export function seen(state: Enrolment['state'], enrolments: readonly Enrolment[] = [till, boss]): Overview {
  const purposes = (one: Enrolment) => (state === 'operational' ? one.purposes : null)
  return {
    ...overview,
    enrolments: enrolments.map(one => ({
      ...one,
      state,
      purposes: purposes(one),
      ...(state === null ? { wire: null } : {}),
    })),
  }
}

const admin: AdminAnswer = {
  agents: [
    {
      name: 'boss',
      role: 'administrator',
      pin: 'p',
      since: NOW / 1000 - 9e6,
      expires: null,
      unattended: false,
    },
    { name: 'till', role: 'operator', pin: 'p', since: NOW / 1000 - 8e6, expires: null, unattended: false },
    {
      name: 'packer',
      role: 'operator',
      pin: null,
      since: NOW / 1000 - 4e3,
      expires: NOW / 1000 + 8e4,
      unattended: false,
    },
  ],
  grants: [
    {
      id: 'g1',
      agent: 'till',
      key: 'orders',
      fields: ['card.*'],
      purposes: ['charge'],
      reveal: ['full'],
      budgets: [{ per: 'day', records: 50, operations: null, alarm: true }],
      hours: null,
      presence: 'touch',
      since: NOW / 1000 - 7e6,
    },
    {
      id: 'g2',
      agent: 'till',
      key: 'orders',
      fields: ['address.*', 'phone'],
      purposes: ['ship'],
      reveal: ['full', 'mask'],
      budgets: [{ per: 'hour', records: 200, operations: 40, alarm: false }],
      hours: null,
      since: NOW / 1000 - 7e6,
    },
  ],
  health: {
    time: NOW / 1000,
    uptime: 356_400,
    model: 'Raspberry Pi Zero 2 W',
    tier: 'verified-root',
    cpu: { temperature: 47.8, load: 6, throttled: false },
    memory: { total: 512e6, available: 231e6 },
    disk: { total: 14e9, available: 11e9 },
    link: null,
    decisions: { allowed: 412, 'not-granted': 3 },
    budgets: [
      { agent: 'till', purpose: 'charge', per: 'day', records: 34, operations: null },
      { agent: 'till', purpose: 'ship', per: 'hour', records: 180, operations: 20 },
    ],
    log: {
      size: 18_230,
      oldest: 0,
      capacity: 100_000,
      bytes: 5e6,
      fsync: { p50: 3, max: 40 },
      checkpoint: null,
    },
    alarms: [
      { what: 'temperature', when: Math.floor(NOW / 1000 - 9e4), why: 'the temperature was 81 degrees' },
    ],
  },
  history: Array.from({ length: 96 }, (_, i) => ({
    time: NOW - hours(24) + i * hours(0.25),
    temperature: 46 + 4 * Math.sin(i / 12),
    load: 6 + 5 * Math.abs(Math.sin(i / 5)),
    memoryAvailable: 231e6 - 1e5 * i,
    logSize: 17_800 + i * 4,
  })),
}

export const TOKEN = `clv1.s.orders.1.${'Qm9yZWQgb2Ygc3RhcmluZyBhdCB0b2tlbnM'.repeat(3)}`
const item = (field: string, code?: string) => ({ field, records: ['orders/17'], ...(code ? { code } : {}) })

/** An answer, or a refusal with its status. */
export type Answers = {
  [N in keyof PageCalls]?:
    | PageCalls[N]['answer']
    | readonly PageCalls[N]['answer'][]
    | { status: number; problem: PageProblem }
}

/** What is answered where a test says nothing else. */
export const ANSWERS: Answers = {
  overview,
  events: [overview],
  listAsked: { asked: [] },
  listBrowsers: {
    browsers: [
      { id: 'b1', kind: 'page', from: null, since: iso(hours(300)), seen: iso(0), isThis: true },
      {
        id: 'b2',
        kind: 'frame',
        from: 'https://flowers.example',
        since: iso(hours(299)),
        seen: iso(hours(3)),
        isThis: false,
      },
    ],
  },
  answerFrame: {},
  forgetBrowser: {},
  lookUp: {
    rows: [
      {
        key: ['17'],
        record: 'orders/17',
        readable: [
          { column: 'status', text: 'paid' },
          { column: 'total', text: '84.20' },
        ],
        sealed: [
          { column: 'card_number', field: 'card.number', ciphertext: TOKEN },
          { column: 'street', field: 'address.street', ciphertext: null },
        ],
      },
    ],
  },
  reveal: { results: [{ value: '4000 0012 3456 7899' }, { code: 'open-failed' }], entry: 18_231 },
  unlock: { state: 'operational' },
  lock: { state: 'locked' },
  lockdown: { state: 'lockdown' },
  lift: { state: 'locked' },
  labels: [
    { is: 'progress', done: 0, total: 3 },
    { is: 'progress', done: 3, total: 3 },
    { is: 'page', html: SHEET, labels: 2, leftOut: [{ record: 'orders/19', reason: 'there is no address' }] },
  ],
  today: {
    entries: [
      {
        index: 18_229,
        time: iso(600_000),
        action: 'decrypt',
        outcome: 'allowed',
        purpose: 'ship',
        items: [item('address.street'), item('phone')],
      },
      {
        index: 18_230,
        time: iso(300_000),
        action: 'decrypt',
        outcome: 'refused',
        code: 'not-granted',
        purpose: 'charge',
        items: [item('phone', 'not-granted')],
      },
      {
        index: 18_231,
        time: iso(60_000),
        action: 'decrypt',
        outcome: 'allowed',
        purpose: 'charge',
        reason: 'the customer called',
        items: [item('card.number')],
      },
    ],
  },
  admin,
}

const PATHS: { readonly [N in keyof PageCalls]: PageCalls[N]['path'] } = {
  pair: '/api/pair',
  askFrame: '/api/frames/ask',
  collectFrame: '/api/frames/collect',
  listAsked: '/api/frames/asked',
  answerFrame: '/api/frames/answer',
  listBrowsers: '/api/browsers',
  forgetBrowser: '/api/browsers/forget',
  overview: '/api/overview',
  unlock: '/api/unlock',
  lock: '/api/lock',
  lockdown: '/api/lockdown',
  lift: '/api/lift',
  reveal: '/api/reveal',
  lookUp: '/api/look-up',
  labels: '/api/labels',
  today: '/api/today',
  admin: '/api/admin',
  events: '/api/events',
}

/** Calls that were made, with what was sent. */
export type Made = { name: keyof PageCalls; body: unknown }[]

/** Answers the page's calls from `answers`, which may be changed at any time; those that are not in it reach the real agent. */
export async function pretend(page: Page | BrowserContext, answers: Answers): Promise<Made> {
  const made: Made = []
  for (const [name, path] of Object.entries(PATHS) as [keyof PageCalls, string][])
    await page.route(
      url => url.pathname === path,
      async route => {
        const answer = answers[name]
        if (answer === undefined) return route.fallback()
        made.push({ name, body: route.request().postDataJSON() })
        const { status = 200, problem } = answer as { status?: number; problem?: PageProblem }
        const lines = Array.isArray(answer) ? answer.map(line => `${JSON.stringify(line)}\n`).join('') : null
        const headers = { 'content-type': 'application/json' }
        return route.fulfill({ status, headers, body: lines ?? JSON.stringify(problem ?? answer) })
      },
    )
  return made
}
