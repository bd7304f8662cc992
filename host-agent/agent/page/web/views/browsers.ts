/** Shops that ask to be let in, and all browsers and shops that were. */
import { html, nothing, type TemplateResult } from 'lit-html'
import type { AskedFrame, Browser } from '../../api.ts'
import { lookAsked } from '../live.ts'
import { icon, problem, title } from '../parts.ts'
import { announce, ask, focusOn, redraw, state, Task } from '../store.ts'
import { timeOf, words } from '../words/words.ts'

let known: Browser[] | null = null
const task = new Task()

export function enterBrowsers(): void {
  void lookAsked()
  void task.run(look)
}

async function look(): Promise<void> {
  known = (await ask('listBrowsers', null)).browsers
}

export function browsers(): TemplateResult {
  return html`${title(words.pages.browsers)}
    <section class="card" aria-labelledby="asked-title">
      <h2 id="asked-title" tabindex="-1">${words.browsers.asked}</h2>
      ${state.asked.length === 0 ? html`<p>${words.browsers.noneAsked}</p>` : html`<p>${words.browsers.compare}</p>`}
      <ul class="plain">
        ${state.asked.map(asked)}
      </ul>
    </section>
    ${problem(task.problem)}
    <section class="card" aria-labelledby="paired-title">
      <h2 id="paired-title" tabindex="-1">${words.browsers.paired}</h2>
      ${
        known === null
          ? html`<p>${words.loading}</p>`
          : html`<ul class="plain lined">
              ${known.map(paired)}
            </ul>`
      }
    </section>`
}

/** On every page while a shop waits. */
export function askedBanner(): TemplateResult | typeof nothing {
  if (state.asked.length === 0 || state.page === 'browsers') return nothing
  return html`<div class="banner">
    ${icon('window')}
    <p>${words.browsers.banner(state.asked.length)}</p>
    <a class="button" href="#browsers">${words.browsers.look}</a>
  </div>`
}

function asked(frame: AskedFrame): TemplateResult {
  const { from, digits } = frame
  return html`<li class="asked">
    <p class="strong">${words.browsers.askedText(from)}</p>
    <p>${words.browsers.digits}: <span class="digits">${digits}</span></p>
    <div class="row">
      <button type="button" class="main" aria-label="${words.browsers.allow}: ${from}, ${digits}" @click=${() => answer(frame, true)}>
        ${words.browsers.allow}
      </button>
      <button type="button" aria-label="${words.browsers.refuse}: ${from}, ${digits}" @click=${() => answer(frame, false)}>
        ${words.browsers.refuse}
      </button>
    </div>
  </li>`
}

function answer({ id, from }: AskedFrame, allow: boolean): void {
  void task.run(async () => {
    await ask('answerFrame', { id, allow }).finally(lookAsked)
    announce(allow ? words.browsers.allowed(from) : words.browsers.refused(from))
    focusOn('#asked-title')
    // the frame collects within a second or two
    setTimeout(() => void look().then(redraw, () => {}), 2500)
  })
}

function paired({ id, kind, from, since, seen, isThis }: Browser): TemplateResult {
  const name = kind === 'page' ? words.browsers.page : words.browsers.frame(from ?? '')
  return html`<li class="entry">
    <div>
      <p class="strong">${name}${isThis ? html` <span class="tag">${words.browsers.this}</span>` : nothing}</p>
      <p class="quiet">${words.browsers.since} ${timeOf(since)}, ${words.browsers.seen} ${timeOf(seen)}</p>
    </div>
    <button type="button" aria-label="${words.browsers.forget}: ${name}, ${words.browsers.since} ${timeOf(since)}" @click=${() => forget(id)}>
      ${words.browsers.forget}
    </button>
  </li>`
}

function forget(id: string): void {
  void task.run(async () => {
    await ask('forgetBrowser', { id })
    announce(words.browsers.forgotten)
    await look()
    focusOn('#paired-title')
  })
}
