/**
 * What the agent's page and its frames ask of their agent, over loopback. docs/formats/page.md.
 *
 * Types alone: the browser's side (web/) and the agent's side share this file. Every call but those marked open carries the browser's token as
 * `Authorization: Bearer <token>`. A refusal is {@link PageProblem} with a status of 400 or more.
 *
 * Documents and files: `/` is `web/index.html`; `/field?from=ORIGIN` is `web/field.html`, where `content=""` of
 * `<meta name="claviger-nonce" content="">` is filled with the nonce for `askFrame`; every other file of `web/` is at its own path, `/main.ts`,
 * `/parts/list.ts`, `/page.css`. Types are stripped from `.ts`, and bare imports of `lit-html`, `lit-html/directives/….js` and `uplot` lead to
 * `/vendor/…`; the style of uPlot is `/vendor/uplot/uPlot.min.css`.
 */
import type { Reveal, Role, State } from '../../../protocol/api/routes.ts'
import type { AgentInfo, GrantInfo, Health } from '../../../protocol/api/schemas.ts'

/** Method, path, what is sent, what comes back, and which kind of browser may call. */
export interface PageCalls {
  /** Turns the one-time code of `claviger page` into the token of this browser. */
  pair: Call<'POST', '/api/pair', { code: string }, { token: string }, 'open'>
  /** A frame in a shop's page asks to be let in, with the nonce of its document; a person allows it on the agent's own page. */
  askFrame: Call<
    'POST',
    '/api/frames/ask',
    { from: string; nonce: string },
    AskedFrame & { secret: string },
    'open'
  >
  /** The frame fetches the answer. A token is given out once. */
  collectFrame: Call<
    'POST',
    '/api/frames/collect',
    { id: string; secret: string },
    { answer: 'waiting' | 'refused' } | { answer: 'allowed'; token: string },
    'open'
  >
  listAsked: Call<'GET', '/api/frames/asked', null, { asked: AskedFrame[] }, 'page'>
  answerFrame: Call<'POST', '/api/frames/answer', { id: string; allow: boolean }, Done, 'page'>
  listBrowsers: Call<'GET', '/api/browsers', null, { browsers: Browser[] }, 'page'>
  forgetBrowser: Call<'POST', '/api/browsers/forget', { id: string }, Done, 'page'>

  overview: Call<'GET', '/api/overview', null, Overview, 'page' | 'frame'>
  unlock: Call<'POST', '/api/unlock', { as: string; secret: string }, { state: State }, 'page'>
  lock: Call<'POST', '/api/lock', { as: string }, { state: State }, 'page'>
  lockdown: Call<'POST', '/api/lockdown', { as: string }, { state: State }, 'page'>
  lift: Call<'POST', '/api/lift', { as: string; passphrase: string }, { state: State }, 'page'>

  reveal: Call<'POST', '/api/reveal', RevealBody, RevealAnswer, 'page' | 'frame'>
  lookUp: Call<'POST', '/api/look-up', { table: string; keys: string[][] }, { rows: FoundRow[] }, 'page'>
  /** Answers lines of JSON, each a {@link LabelsLine}; ends with `page` or `problem`. */
  labels: Call<'POST', '/api/labels', LabelsBody, LabelsLine, 'page'>
  today: Call<'POST', '/api/today', { as: string }, { entries: TodayEntry[] }, 'page'>
  admin: Call<'POST', '/api/admin', { as: string }, AdminAnswer, 'page'>
  /** Answers lines of JSON, each an {@link Overview}: now and at each change; an empty line every 15 s. */
  events: Call<'GET', '/api/events', null, Overview, 'page'>
}

interface Call<Method, Path, Body, Answer, Who> {
  method: Method
  path: Path
  body: Body
  answer: Answer
  who: Who
}

type Done = Record<never, never>

/** A refusal: messages are for the person, in English; the page has its own words for codes that it knows (docs/formats/page.md). */
export interface PageProblem {
  code: string
  message: string
  hint?: string
  /** ISO time when a budget has room again, or a wait is over. */
  free?: string
}

export interface AskedFrame {
  id: string
  /** Origin of the shop's page, as the browser proved it. */
  from: string
  /** Four digits that the frame shows and the page repeats. */
  digits: string
}

export interface Browser {
  id: string
  kind: 'page' | 'frame'
  /** Of a frame: origin of the page around it. */
  from: string | null
  /** ISO times. */
  since: string
  seen: string
  /** Whether it is the one that asks. */
  isThis: boolean
}

/** All there is to see: enrolments of this user, with the device that each leads to. */
export interface Overview {
  enrolments: Enrolment[]
  /** Dongles that are plugged in and that no enrolment is for; and what is wrong with a port. */
  strangers: { path: string; serial: string | null; problem?: string; hint?: string }[]
  /** Tables of the shop's mapping, where the settings name one. */
  tables: ShopTable[]
  /** Why the mapping that the settings name cannot be used. */
  shopProblem?: { message: string; hint?: string }
  /** ms until revealed values are taken away, as the settings say. */
  clearAfter: number
}

export interface Enrolment {
  name: string
  role: Role
  namespace: string
  serial: string
  /** Over which wire it answers, `null` while it does not. */
  wire: 'usb' | 'lan' | null
  /** `null` while it does not answer. */
  state: State | null
  /** What unlocks it from here. */
  asks: 'pin' | 'passphrase' | 'nothing'
  /** What it may open: `null` while nobody can tell; empty for other roles than operator. */
  purposes: Purpose[] | null
  /** Requests of its namespace that wait until somebody presses the button of the device. */
  waitsForTouch: number
  problem?: string
  hint?: string
}

export interface Purpose {
  name: string
  /** Patterns such as `card.*`. */
  fields: string[]
  reveal: Reveal[]
  /** What is left of its budgets; `null`: no limit. */
  budgets: { per: string; records: number | null; operations: number | null }[]
}

export interface RevealBody {
  as: string
  purpose: string
  reason?: string
  reveal?: 'full' | 'last4' | 'mask'
  /** At most 100. */
  items: { ciphertext: string; context: { field: string; record: string }; key?: string }[]
}

export interface RevealAnswer {
  /** In the order of the items. */
  results: ({ value: string } | { code: string; free?: string })[]
  /** Index of the entry in the log. */
  entry: number
}

export interface ShopTable {
  name: string
  key: string[]
  /** Sealed columns, with the field of each. */
  sealed: { column: string; field: string }[]
  readable: string[]
  /** Names of records of type `address`: what labels can be made of. */
  addresses: string[]
}

export interface FoundRow {
  key: string[]
  record: string
  readable: { column: string; text: string | null }[]
  sealed: { column: string; field: string; ciphertext: string | null }[]
}

export interface LabelsBody {
  as: string
  purpose: string
  table: string
  keys: string[][]
  address?: string
  name?: string
  packing?: string[]
  stock: string
  skip: number
  from?: string
}

export type LabelsLine =
  | { is: 'progress'; done: number; total: number }
  | { is: 'page'; html: string; labels: number; leftOut: { record: string; reason: string }[] }
  | { is: 'problem'; problem: PageProblem }

/** An entry of this agent's in the log, without what the log does not hold: the value. */
export interface TodayEntry {
  index: number
  /** ISO. */
  time: string
  action: string
  outcome: 'allowed' | 'refused' | 'failed'
  code?: string
  purpose?: string
  reason?: string
  items: { field: string; records: string[]; code?: string }[]
}

/** Agents and grants are empty unless the device is operational. For administrators and auditors. */
export interface AdminAnswer {
  agents: AgentInfo[]
  grants: GrantInfo[]
  health: Health
  /** Of the last day at most, oldest first: sampled by the agent while it runs. */
  history: HealthSample[]
}

export interface HealthSample {
  /** ms since 1970. */
  time: number
  temperature: number | null
  /** Percent. */
  load: number
  /** Bytes. */
  memoryAvailable: number
  /** Entries of the log. */
  logSize: number | null
}
