/** Finding sealed fields in the shop's database by the key of their row. */
import { html, nothing, type TemplateResult } from 'lit-html'
import type { FoundRow } from '../../api.ts'
import { problem, select } from '../parts.ts'
import { readKeys } from '../pure/keys.ts'
import type { Item } from '../pure/pasted.ts'
import { announce, ask, redraw, state, Task } from '../store.ts'
import { words } from '../words/words.ts'

/** As the agent takes it. */
const MOST_KEYS = 100

export class Finding {
  #table = ''
  #keys = ''
  #fault = ''
  #rows: FoundRow[] | null = null
  readonly #chosen = new Set<string>()
  readonly #task = new Task()

  get #mapped() {
    const tables = state.overview?.tables ?? []
    return tables.find(({ name }) => name === this.#table) ?? tables[0]
  }

  /** What was chosen of what was found. */
  get items(): Item[] {
    return (this.#rows ?? []).flatMap(({ record, sealed }) =>
      sealed.flatMap(({ column, field, ciphertext }) =>
        ciphertext !== null && this.#chosen.has(`${record}\0${column}`)
          ? [{ ciphertext, context: { field, record } }]
          : [],
      ),
    )
  }

  draw(): TemplateResult {
    const mapped = this.#mapped
    if (!mapped) return html``
    const { tables } = state.overview!
    return html`${
      tables.length < 2
        ? nothing
        : select(
            'find-table',
            words.reveal.table,
            tables.map(({ name }) => [name, name] as const),
            mapped.name,
            value => {
              this.#table = value
              this.#rows = null
              redraw()
            },
          )
    }
      <div class="field">
        <label for="find-keys">${words.reveal.keys(mapped.key.join(', '))}</label>
        <textarea
          id="find-keys"
          rows="2"
          spellcheck="false"
          autocomplete="off"
          aria-describedby=${this.#fault ? 'find-fault' : nothing}
          aria-invalid=${this.#fault !== ''}
          .value=${this.#keys}
          @input=${(event: Event) => {
            this.#keys = (event.target as HTMLTextAreaElement).value
          }}
        ></textarea>
        ${this.#fault ? html`<p class="fault" id="find-fault" role="alert">${this.#fault}</p>` : nothing}
      </div>
      <div class="row">
        <button type="button" aria-disabled=${this.#task.isRunning} @click=${() => this.#find()}>
          ${this.#task.isRunning ? words.reveal.finding : words.reveal.find}
        </button>
      </div>
      ${problem(this.#task.problem)} ${this.#rows ? this.#found(this.#rows) : nothing}`
  }

  #find(): void {
    const { name, key } = this.#mapped!
    const read = readKeys(this.#keys, key.length, MOST_KEYS)
    this.#fault =
      'keys' in read
        ? ''
        : read.fault === 'columns'
          ? words.labels.faults.columns(key.length)
          : read.fault === 'many'
            ? words.labels.faults.many(MOST_KEYS)
            : words.labels.faults.empty
    this.#rows = null
    this.#chosen.clear()
    redraw()
    if (!('keys' in read)) return
    void this.#task.run(async () => {
      const { rows } = await ask('lookUp', { table: name, keys: read.keys })
      this.#rows = rows
      announce(words.reveal.found(rows.length))
    })
  }

  #found(rows: readonly FoundRow[]): TemplateResult {
    return html`<p>${words.reveal.found(rows.length)}</p>
      ${rows.map(
        ({ record, readable, sealed }) => html`<fieldset class="boxes">
          <legend>${record}</legend>
          ${
            readable.length === 0
              ? nothing
              : html`<dl class="facts">
                  ${readable.map(({ column, text }) => html`<div><dt>${column}</dt><dd>${text ?? words.reveal.empty}</dd></div>`)}
                </dl>`
          }
          ${sealed.map(
            ({ column, field, ciphertext }) => html`<label
              ><input
                type="checkbox"
                ?disabled=${ciphertext === null}
                .checked=${this.#chosen.has(`${record}\0${column}`)}
                @change=${() => this.#toggle(`${record}\0${column}`)}
              />
              <span>${column} <span class="quiet">${ciphertext === null ? words.reveal.empty : field}</span></span></label
            >`,
          )}
        </fieldset>`,
      )}`
  }

  #toggle(id: string): void {
    if (!this.#chosen.delete(id)) this.#chosen.add(id)
    redraw()
  }
}
