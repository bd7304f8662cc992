/** Pieces that several views draw. */
import { html, nothing, type TemplateResult } from 'lit-html'
import { Refusal } from './call.ts'
import { errorWords, timeOf, words } from './words/words.ts'

const ICONS = {
  plug: 'M9 3v5m6-5v5M6 8h12v3a6 6 0 0 1-12 0zm6 9v4',
  lock: 'M6 11h12v9H6zm2 0V8a4 4 0 0 1 8 0v3m-4 3.5v2.5',
  check: 'M4 12.5 9.5 18 20 6.5',
  stop: 'M8 3h8l5 5v8l-5 5H8l-5-5V8zm4 4v6m0 3.2v.3',
  silent: 'M5 5l14 14M8 8v0a6 6 0 0 0 8 8M9 3v3m6-3v5h3v3M12 17v4',
  warn: 'M12 4 2.5 20h19zm0 6v5m0 2.2v.3',
  eye: 'M2 12s4-7 10-7 10 7 10 7-4 7-10 7S2 12 2 12zm10-3a3 3 0 1 0 0 6 3 3 0 0 0 0-6',
  label: 'M4 5h16v14H4zm3 4h7m-7 3h10m-10 3h5',
  clock: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18m0 4v5l3.5 2',
  bars: 'M4 20h16M7 17v-5m5 5V6m5 11V9',
  window: 'M3 5h18v14H3zm0 4h18M6 7h.2m2 0h.2',
} as const
export type IconName = keyof typeof ICONS

/** Beside a word that says the same. */
export function icon(name: IconName): TemplateResult {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d=${ICONS[name]}></path></svg>`
}

/** Title of a page; it gets the focus when the page is opened. */
export function title(text: string): TemplateResult {
  return html`<h1 id="title" tabindex="-1">${text}</h1>`
}

/** @param error - {@link Refusal}, or nothing */
export function problem(error: unknown, own?: TemplateResult | string): TemplateResult | typeof nothing {
  if (!error) return nothing
  const { code, message, hint, free } =
    error instanceof Refusal ? error : { code: 'internal', message: '', hint: undefined, free: undefined }
  const [what, next] = errorWords(code) ?? [message || words.problem, hint ?? '']
  return html`<div class="problem" role="alert">
    ${icon('warn')}
    <div>
      <p class="strong">${own ?? what}</p>
      <p>${next} ${free ? words.free(timeOf(free)) : nothing}</p>
      ${code === 'malformed-request' && hint ? html`<p class="quiet" lang="en">${message}: ${hint}</p>` : nothing}
    </div>
  </div>`
}

/** A choice among few. */
export function choice<T extends string>(
  name: string,
  legend: string,
  options: readonly (readonly [value: T, label: string])[],
  chosen: T,
  choose: (value: T) => void,
): TemplateResult {
  return html`<fieldset class="choice">
    <legend>${legend}</legend>
    <div class="segments">
      ${options.map(
        ([value, label]) => html`<label
          ><input type="radio" name=${name} value=${value} .checked=${value === chosen} @change=${() => choose(value)} />
          <span>${label}</span></label
        >`,
      )}
    </div>
  </fieldset>`
}

/** A choice among many; of one there is nothing to choose. */
export function select(
  id: string,
  label: string,
  options: readonly (readonly [value: string, label: string])[],
  chosen: string,
  choose: (value: string) => void,
): TemplateResult {
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <select id=${id} @change=${(event: Event) => choose((event.target as HTMLSelectElement).value)}>
      ${options.map(
        ([value, text]) => html`<option value=${value} .selected=${value === chosen}>${text}</option>`,
      )}
    </select>
  </div>`
}

/** A line of text. */
export function input(
  id: string,
  label: string,
  value: string,
  put: (value: string) => void,
  { hint = '', mode = 'text' as 'text' | 'numeric' } = {},
): TemplateResult {
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <input
      id=${id}
      type="text"
      inputmode=${mode}
      autocomplete="off"
      spellcheck="false"
      aria-describedby=${hint ? `${id}-hint` : nothing}
      .value=${value}
      @input=${(event: Event) => put((event.target as HTMLInputElement).value)}
    />
    ${hint ? html`<p class="quiet" id="${id}-hint">${hint}</p>` : nothing}
  </div>`
}
