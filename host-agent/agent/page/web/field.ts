/** One sealed field in a page of the shop: shows the hint, and the value for a while to who may see it. docs/formats/page.md, "Frames". */
import { html, render, type TemplateResult } from 'lit-html'
import type { AskedFrame } from '../api.ts'
import { call, Refusal, TokenStore } from './call.ts'
import { readContext } from './pure/pasted.ts'
import { type Stage, stageOf } from './pure/stage.ts'
import { Seen } from './seen.ts'
import { Values } from './values.ts'
import { errorWords, timeOf, words } from './words/words.ts'

const COLLECT_MS = 1000
const LOOK_MS = 5000

const from = new URLSearchParams(location.search).get('from') ?? ''
const given = new URLSearchParams(location.hash.slice(1))
const nonce = document.querySelector<HTMLMetaElement>('meta[name=claviger-nonce]')!.content
const tokens = new TokenStore(from)
const context = readContext(given.get('context') ?? '')
const hint = given.get('hint') ?? '••••'
const place = document.querySelector<HTMLElement>('#field')!
const seen = new Seen(place)

let stage: Stage = { is: 'gone' }
let digits = ''
let said = ''
/** In the middle of revealing; or asked whether it should, where the browser cannot tell what is seen. */
let step: 'idle' | 'sure' | 'going' = 'idle'
let clearAfter = 30_000

const overview = async () => call('overview', null, tokens.get())
const values = new Values(overview, () => draw())

function draw(): void {
  const focused = document.activeElement?.id
  render(content(), place)
  // a button that went away took the focus with it
  if (focused && !document.getElementById(focused)) place.querySelector('button')?.focus()
}

function content(): TemplateResult {
  const [shown] = values.list
  if (shown && 'value' in shown.outcome)
    return html`<p class="value" dir="auto" tabindex="0" aria-label="${context!.field}: ${shown.outcome.value}">${shown.outcome.value}</p>
      <span class="left" aria-hidden="true">${values.seconds} s</span>
      <button id="copy" type="button" @click=${copy}>${said || words.frame.copy}</button>
      <button id="hide" type="button" @click=${() => values.clear('asked')}>${words.frame.hide}</button>`
  if (step === 'sure')
    return html`${line(words.frame.sure(context!.field, context!.record))}
      <button id="yes" type="button" class="main" @click=${(event: Event) => event.isTrusted && void reveal()}>${words.frame.yes}</button>
      <button id="no" type="button" @click=${() => move('idle')}>${words.cancel}</button>`
  if (step === 'going') return line(words.frame.going)
  return idle()
}

function idle(): TemplateResult {
  switch (stage.is) {
    case 'ready':
      return html`${line(said || hint)} <button id="reveal" type="button" class="main" @click=${wish}>${words.frame.reveal}</button>`
    case 'unpaired':
      return html`${line(said || hint)} <button id="ask" type="button" @click=${(event: Event) => event.isTrusted && void askIn()}>${words.frame.ask}</button>`
    case 'asking':
      return html`${line(words.frame.digits(digits))} ${opener()}`
    case 'refused':
    case 'timedOut':
      return html`${line(words.frame[stage.is])} <button id="ask" type="button" @click=${() => location.reload()}>${words.again}</button>`
    case 'locked':
    case 'lockdown':
      return html`${line(words.frame[stage.is])} ${opener()}`
    default:
      return html`${line(`${hint} · ${words.frame[stage.is]}`)} <button id="again" type="button" @click=${() => void look()}>${words.again}</button>`
  }
}

function line(text: string): TemplateResult {
  return html`<p class="text" role="status" title=${text}>${text}</p>`
}

function opener(): TemplateResult {
  return html`<button id="open" type="button" @click=${openAgent}>${words.frame.open}</button>`
}

/** The agent's own page, in a window of its own: nobody types a PIN, or lets a shop in, within a page of that shop. */
function openAgent(): void {
  window.open(stage.is === 'asking' ? '/#frames' : '/#home', 'claviger')
}

function move(next: typeof step): void {
  step = next
  draw()
}

function wish(event: Event): void {
  if (!event.isTrusted || stage.is !== 'ready') return
  if (!seen.canTell) move('sure')
  else if (seen.wasSeen && seen.wasAimed(event)) void reveal()
  else {
    said = words.frame.unseen
    draw()
  }
}

async function reveal(): Promise<void> {
  if (stage.is !== 'ready' || !context) return
  const { as } = stage
  said = ''
  move('going')
  try {
    const { results } = await call(
      'reveal',
      { as, purpose: given.get('purpose') ?? '', items: [{ ciphertext: given.get('token') ?? '', context }] },
      tokens.get(),
    )
    const [outcome = { code: 'internal' }] = results
    if ('value' in outcome) values.hold([{ ...context, outcome, isOpen: true }], as, clearAfter)
    else said = refusal(outcome.code, outcome.free)
  } catch (error) {
    said = error instanceof Refusal ? refusal(error.code, error.free) : words.problem
    await look()
  }
  move('idle')
}

function refusal(code: string, free: string | undefined): string {
  if (code === 'over-budget' && free !== undefined) return words.frame.overBudget(timeOf(free))
  const [what, next] = errorWords(code) ?? [words.problem, '']
  return `${what} ${next}`
}

async function copy(event: Event): Promise<void> {
  const [shown] = values.list
  if (!event.isTrusted || !shown || !('value' in shown.outcome)) return
  said = await navigator.clipboard.writeText(shown.outcome.value).then(
    () => words.frame.copied,
    () => words.problem,
  )
  draw()
  setTimeout(() => {
    said = ''
    draw()
  }, 2000)
}

async function askIn(): Promise<void> {
  let asked: AskedFrame & { secret: string }
  try {
    asked = await call('askFrame', { from, nonce }, null)
  } catch (error) {
    said = error instanceof Refusal ? refusal(error.code, error.free) : words.problem
    return draw()
  }
  digits = asked.digits
  stage = { is: 'asking' }
  openAgent()
  draw()
  while (stage.is === 'asking') {
    await new Promise(resolve => setTimeout(resolve, COLLECT_MS))
    const answer = await call('collectFrame', { id: asked.id, secret: asked.secret }, null).catch(() => null)
    if (answer?.answer === 'waiting') continue
    if (answer?.answer === 'allowed') {
      tokens.set(answer.token)
      await look()
    } else stage = { is: answer === null ? 'timedOut' : 'refused' }
    draw()
  }
}

/** Asks what is there. Another frame of the same shop may have been let in meanwhile. */
async function look(): Promise<void> {
  if (stage.is === 'broken') return
  if (tokens.get() === null) {
    if (stage.is !== 'asking' && stage.is !== 'refused' && stage.is !== 'timedOut') stage = { is: 'unpaired' }
    return draw()
  }
  try {
    const seen = await overview()
    clearAfter = seen.clearAfter
    stage = stageOf(seen, given.get('as'))
  } catch (error) {
    const isOut = error instanceof Refusal && error.code === 'unpaired'
    if (isOut) tokens.set(null)
    stage = { is: isOut ? 'unpaired' : 'gone' }
  }
  draw()
}

document.title = words.frame.title
place.setAttribute('aria-label', context ? `${context.field} ${context.record}` : words.frame.title)
if (!context || !given.get('token') || !given.get('purpose')) stage = { is: 'broken' }
draw()
parent.postMessage({ claviger: 'ready' }, from)
await look()
setInterval(() => !document.hidden && step === 'idle' && values.list.length === 0 && void look(), LOOK_MS)
addEventListener('storage', () => void look())
document.addEventListener('visibilitychange', () => !document.hidden && void look())
