/** What is there instead of the page: not let in yet, or nobody to ask. */
import { html, type TemplateResult } from 'lit-html'
import { call } from '../call.ts'
import { tryAgain } from '../live.ts'
import { problem, title } from '../parts.ts'
import { focusOn, redraw, state, tokens } from '../store.ts'
import { words } from '../words/words.ts'

export function unpaired(): TemplateResult {
  return html`${title(words.unpaired.title)}
    <section class="card">
      <p>${words.unpaired.why}</p>
      ${problem(state.pairProblem)}
      <ol class="steps">
        <li>${words.unpaired.menu}</li>
        <li>${words.unpaired.command} <code class="line">claviger page</code></li>
      </ol>
      <form class="stack" @submit=${submit}>
        <div class="field">
          <label for="code">${words.unpaired.code}</label>
          <input id="code" name="code" type="text" class="code" autocomplete="off" spellcheck="false" required />
        </div>
        <button class="main">${words.unpaired.enter}</button>
      </form>
    </section>`
}

export function gone(): TemplateResult {
  return html`${title(words.gone.title)}
    <section class="card">
      <p>${words.gone.why}</p>
      <p>${words.gone.next}</p>
      <div class="row"><button type="button" @click=${tryAgain}>${words.again}</button></div>
    </section>`
}

function submit(event: SubmitEvent): void {
  event.preventDefault()
  const typed = String(new FormData(event.target as HTMLFormElement).get('code')).trim()
  // the whole address will do
  void pair(typed.replace(/^.*#pair=/, ''))
}

/** Lets this browser in. @param code - of `claviger page`, once */
export async function pair(code: string): Promise<void> {
  try {
    const { token } = await call('pair', { code }, null)
    tokens.set(token)
    state.pairProblem = null
    state.link = 'starting'
  } catch (error) {
    // one that is let in already stays so
    if (tokens.get() === null) state.pairProblem = error
  }
  tryAgain()
  redraw()
  focusOn('#title')
}
