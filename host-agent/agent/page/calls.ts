/** The page's calls: who may make which, what each takes, and what answers it. api.ts is the contract. */

import { typedFor, unlock } from '../../client/unlock.ts'
import { fileWitness } from '../../client/witness-file.ts'
import { administer } from './administer.ts'
import type { Browser, PageCalls, RevealBody } from './api.ts'
import { tellEvents } from './events.ts'
import { makeLabels } from './labels.ts'
import { lookUp } from './look-up.ts'
import type { Parts } from './page.ts'
import { PageRefusal } from './problem.ts'
import { reveal } from './reveal.ts'
import { flag, list, maybe, name, nothing, object, oneOf, type Reader, text, ticket, whole } from './shape.ts'
import { today } from './today.ts'

const SMALL = 4096
const KEYS = 262_144
/** As the device takes it. */
const ITEMS = 1_048_576
const MOST_KEYS = 100
const MOST_LABELS = 2000

/** What a call is; see {@link PageCalls}. */
type Definition<C extends PageCalls[keyof PageCalls]> = {
  method: C['method']
  path: C['path']
  who: readonly C['who'][]
  /** Largest body, bytes. */
  most: number
  read: Reader<C['body']>
} & (
  | { answer(body: C['body'], parts: Parts, browser: Browser | null): Promise<C['answer']> }
  | {
      /** Answers lines until it returns. */
      lines(
        body: C['body'],
        parts: Parts,
        write: (line: C['answer'] | null) => void,
        signal: AbortSignal,
      ): Promise<void>
    }
)

const PAGE = ['page'] as const
const as = { as: name }
const key = list(text(1024), 16, 1)
const table = text(256, 1)
const column = text(256, 1)
const origin = text(300, 1)

const items: Reader<RevealBody['items']> = list(
  object({
    ciphertext: text(131_072, 1),
    context: object({ field: text(255), record: text(255) }),
    key: maybe(name),
  }),
  100,
  1,
)

/** All of them. */
export const CALLS: { [K in keyof PageCalls]: Definition<PageCalls[K]> } = {
  pair: {
    method: 'POST',
    path: '/api/pair',
    who: ['open'],
    most: SMALL,
    read: object({ code: ticket }),
    answer: async ({ code }, { codes, browsers }) => {
      if (!codes.take(code))
        throw new PageRefusal('code-refused', {
          hint: 'claviger page makes a new one; it is good for two minutes, once',
        })
      return { token: await browsers.add('page', null) }
    },
  },
  askFrame: {
    method: 'POST',
    path: '/api/frames/ask',
    who: ['open'],
    most: SMALL,
    read: object({ from: origin, nonce: ticket }),
    answer: async ({ from, nonce }, { frames, shops }) => {
      if (!(await shops()).includes(from)) throw new PageRefusal('frame-refused')
      return frames.ask(from, nonce)
    },
  },
  collectFrame: {
    method: 'POST',
    path: '/api/frames/collect',
    who: ['open'],
    most: SMALL,
    read: object({ id: ticket, secret: ticket }),
    answer: async ({ id, secret }, { frames, browsers }) => {
      const { answer, from } = frames.collect(id, secret)
      return answer === 'allowed' ? { answer, token: await browsers.add('frame', from) } : { answer }
    },
  },
  listAsked: {
    method: 'GET',
    path: '/api/frames/asked',
    who: PAGE,
    most: 0,
    read: nothing,
    answer: async (_, { frames }) => ({ asked: frames.list() }),
  },
  answerFrame: {
    method: 'POST',
    path: '/api/frames/answer',
    who: PAGE,
    most: SMALL,
    read: object({ id: ticket, allow: flag }),
    answer: async ({ id, allow }, { frames }) => {
      frames.answer(id, allow)
      return {}
    },
  },
  listBrowsers: {
    method: 'GET',
    path: '/api/browsers',
    who: PAGE,
    most: 0,
    read: nothing,
    answer: async (_, { browsers }, browser) => ({ browsers: browsers.list(browser!.id) }),
  },
  forgetBrowser: {
    method: 'POST',
    path: '/api/browsers/forget',
    who: PAGE,
    most: SMALL,
    read: object({ id: ticket }),
    answer: async ({ id }, { browsers }) => {
      if (!(await browsers.forget(id))) throw new PageRefusal('unknown-browser')
      return {}
    },
  },
  overview: {
    method: 'GET',
    path: '/api/overview',
    who: ['page', 'frame'],
    most: 0,
    read: nothing,
    answer: async (_, { overview }, browser) => {
      const whole = await overview()
      if (browser!.kind === 'page') return whole
      // a frame reveals, and for that somebody has to be an operator; the rest is not the shop's affair
      const enrolments = whole.enrolments.filter(({ role }) => role === 'operator')
      return { enrolments, strangers: [], tables: [], clearAfter: whole.clearAfter }
    },
  },
  unlock: {
    method: 'POST',
    path: '/api/unlock',
    who: PAGE,
    most: SMALL,
    read: object({ ...as, secret: text(1024) }),
    answer: async ({ as, secret }, { enrolments, directory }) => {
      const link = await enrolments.get(as)
      const typed = typedFor(link.profile)
      if (typed === undefined)
        throw new PageRefusal('malformed-request', {
          message: `${as} was enrolled without a PIN`,
          hint: 'unlock with another enrolment, or enrol again',
        })
      const appliance = await link.appliance()
      return {
        state: await unlock(
          appliance,
          link.profile,
          typed === null ? '' : secret,
          fileWitness(directory, as),
        ),
      }
    },
  },
  lock: {
    method: 'POST',
    path: '/api/lock',
    who: PAGE,
    most: SMALL,
    read: object(as),
    answer: async ({ as }, { enrolments }) => (await (await enrolments.get(as)).appliance()).lock(),
  },
  lockdown: {
    method: 'POST',
    path: '/api/lockdown',
    who: PAGE,
    most: SMALL,
    read: object(as),
    answer: async ({ as }, { enrolments }) => (await (await enrolments.get(as)).appliance()).lockdown(),
  },
  lift: {
    method: 'POST',
    path: '/api/lift',
    who: PAGE,
    most: SMALL,
    read: object({ ...as, passphrase: text(1024, 1) }),
    answer: async ({ as, passphrase }, { enrolments }) =>
      (await (await enrolments.get(as)).appliance()).liftLockdown(passphrase),
  },
  reveal: {
    method: 'POST',
    path: '/api/reveal',
    who: ['page', 'frame'],
    most: ITEMS,
    read: object({
      ...as,
      purpose: name,
      reason: maybe(text(255)),
      reveal: maybe(oneOf('full', 'last4', 'mask')),
      items,
    }),
    answer: async (body, { enrolments }) => {
      const link = await enrolments.get(body.as)
      try {
        return await reveal(body, link)
      } finally {
        void link.refreshPurposes()
      }
    },
  },
  lookUp: {
    method: 'POST',
    path: '/api/look-up',
    who: PAGE,
    most: KEYS,
    read: object({ table, keys: list(key, MOST_KEYS, 1) }),
    answer: async ({ table, keys }, { shop }) => ({ rows: await lookUp(shop, table, keys) }),
  },
  labels: {
    method: 'POST',
    path: '/api/labels',
    who: PAGE,
    most: KEYS,
    read: object({
      ...as,
      purpose: name,
      table,
      keys: list(key, MOST_LABELS, 1),
      address: maybe(text(64, 1)),
      name: maybe(column),
      packing: maybe(list(column, 32)),
      stock: text(32, 1),
      skip: whole(0, 999),
      from: maybe(text(64, 1)),
    }),
    lines: async (body, { shop, enrolments }, write, signal) => {
      const link = await enrolments.get(body.as)
      try {
        await makeLabels(body, shop, link, write, signal)
      } finally {
        void link.refreshPurposes()
      }
    },
  },
  today: {
    method: 'POST',
    path: '/api/today',
    who: PAGE,
    most: SMALL,
    read: object(as),
    answer: async ({ as }, { enrolments }) => ({ entries: await today(await enrolments.get(as)) }),
  },
  admin: {
    method: 'POST',
    path: '/api/admin',
    who: PAGE,
    most: SMALL,
    read: object(as),
    answer: async ({ as }, { enrolments, history }) => administer(await enrolments.get(as), history),
  },
  events: {
    method: 'GET',
    path: '/api/events',
    who: PAGE,
    most: 0,
    read: nothing,
    lines: async (_, parts, write, signal) => tellEvents(parts, write, signal),
  },
}
