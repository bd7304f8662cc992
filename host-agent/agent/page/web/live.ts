/** Follows the agent: its stream of overviews while it is there, and tries again by itself while it is not. */
import { lines, Refusal } from './call.ts'
import { ask, noteRefusal, redraw, state, tokens } from './store.ts'

/** The agent writes at least an empty line every 15 s. */
const SILENCE_MS = 40_000
const PAUSES_MS = [500, 1000, 2000, 4000]
const ASKED_MS = 3000

/** Never returns. */
export async function follow(): Promise<void> {
  let failures = 0
  for (;;) {
    const token = tokens.get()
    if (token === null) {
      state.link = 'unpaired'
      redraw()
      await paired()
      continue
    }
    try {
      await readEvents(token, () => {
        failures = 0
      })
    } catch (error) {
      noteRefusal(error)
      failures++
      // one miss is a restart; what is shown stays for a moment
      if (tokens.get() !== null && failures > 1) {
        state.link = 'gone'
        state.overview = null
        redraw()
      }
    }
    if (tokens.get() !== null) await pause(PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)]!)
  }
}

async function readEvents(token: string, heard: () => void): Promise<void> {
  const ending = new AbortController()
  let watch: ReturnType<typeof setTimeout> | undefined
  const listen = () => {
    clearTimeout(watch)
    watch = setTimeout(() => ending.abort(), SILENCE_MS)
  }
  listen()
  try {
    for await (const overview of lines('events', null, token, ending.signal)) {
      listen()
      heard()
      if (overview === null) continue
      if ('is' in overview) throw new Refusal({ code: 'internal', message: 'the stream ended' })
      state.link = 'up'
      state.overview = overview
      redraw()
    }
  } finally {
    clearTimeout(watch)
    ending.abort()
  }
}

/** Looks now and then for shops that ask. */
export function followAsked(): void {
  setInterval(() => {
    if (state.link === 'up' && document.visibilityState === 'visible') void lookAsked()
  }, ASKED_MS)
}

export async function lookAsked(): Promise<void> {
  const { asked } = await ask('listAsked', null).catch(() => ({ asked: state.asked }))
  if (JSON.stringify(asked) === JSON.stringify(state.asked)) return
  state.asked = asked
  redraw()
}

let wake = () => {}

/** Tells {@link follow} that there may be a token now. */
export function tryAgain(): void {
  wake()
}

const pause = (ms: number) =>
  new Promise<void>(resolve => {
    const timer = setTimeout(resolve, ms)
    wake = () => {
      clearTimeout(timer)
      resolve()
    }
  })

const paired = () => pause(1000)
