/**
 * The button as a person presses it: what its contact did and when, in; short and long presses, out. A pure function of
 * state and input: {@link ./input.ts} has the clock.
 */

/** Held for so long, a press is a long one, and counts while it is still held, ms. */
export const LONG_MS = 3000
/** A contact bounces: what does not last so long, ms, did not happen. */
export const DEBOUNCE_MS = 30

export type Press = 'short' | 'long'

export interface Button {
  /** How the contact was last seen, and since when, ms. */
  readonly contact: boolean
  readonly since: number
  /** Whether it is pressed, once the bouncing is taken away, and since when. */
  readonly isPressed: boolean
  readonly pressedAt: number
  /** The long press counted already. */
  readonly isCounted: boolean
}

export const RELEASED: Button = {
  contact: false,
  since: 0,
  isPressed: false,
  pressedAt: 0,
  isCounted: false,
}

export interface Step {
  readonly button: Button
  readonly press: Press | null
}

/** The contact closed or opened. @param now - ms of a clock that nobody sets */
export function touched(before: Button, contact: boolean, now: number): Step {
  const step = passed(before, now)
  if (contact === before.contact) return step
  return { ...step, button: { ...step.button, contact, since: Math.max(now, before.since) } }
}

/** Time passed. Whether this is called often or seldom changes when a press is told, not which. */
export function passed(before: Button, now: number): Step {
  const { contact, since } = before
  const isSettled = now - since >= DEBOUNCE_MS
  if (!contact && before.isPressed && isSettled) {
    const button = { ...before, isPressed: false, isCounted: false }
    return { button, press: before.isCounted ? null : pressOf(since - before.pressedAt) }
  }
  const button: Button =
    contact && !before.isPressed && isSettled
      ? { ...before, isPressed: true, pressedAt: since, isCounted: false }
      : before
  if (!button.isPressed || button.isCounted) return { button, press: null }
  // While it may only be bouncing, it is held as long as it was.
  const held = (contact ? now : since) - button.pressedAt
  return held >= LONG_MS ? { button: { ...button, isCounted: true }, press: 'long' } : { button, press: null }
}

function pressOf(held: number): Press {
  return held >= LONG_MS ? 'long' : 'short'
}
