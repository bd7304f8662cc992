/** What the page knows, and how its views ask, redraw, speak and move the focus. */
import type { AskedFrame, Enrolment, Overview, PageCalls } from '../api.ts'
import { call, Refusal, TokenStore } from './call.ts'

export const PAGES = ['home', 'reveal', 'labels', 'today', 'admin', 'browsers'] as const
export type PageName = (typeof PAGES)[number]

export const state = {
  link: 'starting' as 'starting' | 'unpaired' | 'gone' | 'up',
  page: 'home' as PageName,
  overview: null as Overview | null,
  asked: [] as AskedFrame[],
  /** Of the last try to let this browser in. */
  pairProblem: null as unknown,
}

export const tokens = new TokenStore(null)

let draw = () => {}
let isDue = false
let wanted: string | null = null

/** @param how - draws everything */
export function drawWith(how: () => void): void {
  draw = how
}

/** Draws soon, once for all that changes until then. */
export function redraw(): void {
  if (isDue) return
  isDue = true
  queueMicrotask(() => {
    isDue = false
    draw()
    if (wanted === null) return
    const element = document.querySelector<HTMLElement>(wanted)
    wanted = null
    element?.focus()
  })
}

/** Moves the focus once the next drawing is there. @param selector - of what can have it */
export function focusOn(selector: string): void {
  wanted = selector
  redraw()
}

/** Tells a screen reader. */
export function announce(text: string): void {
  const place = document.querySelector('#said')!
  place.textContent = ''
  // a text that is the same as before is only told anew after a pause
  setTimeout(() => {
    place.textContent = text
  }, 50)
}

/** @throws Refusal */
export async function ask<N extends keyof PageCalls>(
  name: N,
  body: PageCalls[N]['body'],
): Promise<PageCalls[N]['answer']> {
  try {
    return await call(name, body, tokens.get())
  } catch (error) {
    noteRefusal(error)
    throw error
  }
}

/** A browser that was forgotten has to be let in again, whatever it asked. */
export function noteRefusal(error: unknown): void {
  if (!(error instanceof Refusal) || error.code !== 'unpaired') return
  tokens.set(null)
  state.link = 'unpaired'
  state.overview = null
  redraw()
}

/** Something that runs once at a time, with what came of it. */
export class Task {
  isRunning = false
  problem: unknown = null

  async run(work: () => Promise<void>): Promise<void> {
    if (this.isRunning) return
    this.isRunning = true
    this.problem = null
    redraw()
    try {
      await work()
    } catch (error) {
      this.problem = error
    } finally {
      this.isRunning = false
      redraw()
    }
  }
}

export const enrolments = (): readonly Enrolment[] => state.overview?.enrolments ?? []

/** Those with which values can be revealed now. */
export const operators = (): Enrolment[] =>
  enrolments().filter(({ role, state }) => role === 'operator' && state === 'operational')

/** Those that may look at the device itself. */
export const watchers = (): Enrolment[] =>
  enrolments().filter(({ role }) => role === 'administrator' || role === 'auditor')
