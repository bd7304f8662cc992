/** A batch of labels: of which orders, on which paper; then printed from a page of its own. */
import { html, nothing, type TemplateResult } from 'lit-html'
import type { LabelsBody, LabelsLine, ShopTable } from '../../api.ts'
import { lines, Refusal } from '../call.ts'
import { choice, icon, input, problem, select, title } from '../parts.ts'
import { type Keys, readKeys, readRange } from '../pure/keys.ts'
import { Sheet } from '../sheet.ts'
import { focusOn, noteRefusal, operators, redraw, state, Task, tokens } from '../store.ts'
import { words } from '../words/words.ts'
import { notReady, Wish } from './purpose.ts'

/** As the agent takes it. */
const MOST = 2000
const STOCKS = { '3x8': 24, '2x7': 14, '3x10': 30 } as const
type Stock = keyof typeof STOCKS

const form = {
  table: '',
  by: 'list' as 'list' | 'range',
  keys: '',
  first: '',
  last: '',
  stock: '3x8' as Stock,
  skip: '0',
  address: '',
  name: '',
  from: '',
  packing: new Set<string>(),
  fault: '',
}
const wish = new Wish()
const task = new Task()
let ending = new AbortController()
let progress: { done: number; total: number } | null = null
let page: Extract<LabelsLine, { is: 'page' }> | null = null
const sheet = new Sheet()

const tables = () => (state.overview?.tables ?? []).filter(({ addresses }) => addresses.length > 0)

/** Throws the labels away. */
export function leaveLabels(): void {
  ending.abort()
  page = null
  progress = null
  sheet.clear()
}

export function labels(): TemplateResult {
  const all = tables()
  const table = all.find(({ name }) => name === form.table) ?? all[0]
  if (!table) return html`${title(words.pages.labels)}<p class="card">${words.labels.none}</p>`
  if (operators().length === 0) return html`${title(words.pages.labels)} ${result()} ${notReady()}`
  const keys = keysOf(table)
  wish.fields = table.sealed.map(({ field }) => field).filter(field => field.startsWith('address'))
  const count = 'keys' in keys ? keys.keys.length : 0
  return html`${title(words.pages.labels)} ${result()}
    <form class="stack" @submit=${(event: SubmitEvent) => submit(event, table, keys)}>
      <section class="card stack" aria-labelledby="which-title">
        <h2 id="which-title">${words.labels.which}</h2>
        ${
          all.length < 2
            ? nothing
            : select(
                'labels-table',
                words.reveal.table,
                all.map(({ name }) => [name, name] as const),
                table.name,
                value => set({ table: value, packing: new Set() }),
              )
        }
        ${
          table.key.length === 1
            ? choice(
                'labels-by',
                words.labels.which,
                [
                  ['list', words.labels.list],
                  ['range', words.labels.range],
                ],
                form.by,
                by => set({ by }),
              )
            : nothing
        }
        ${
          form.by === 'range' && table.key.length === 1
            ? html`<div class="pair">
                ${input('first', words.labels.from, form.first, first => set({ first, fault: '' }), { mode: 'numeric' })}
                ${input('last', words.labels.to, form.last, last => set({ last, fault: '' }), { mode: 'numeric' })}
              </div>`
            : html`<div class="field">
                <label for="label-keys">${words.labels.keys(table.key.join(', '))}</label>
                <textarea
                  id="label-keys"
                  rows="4"
                  spellcheck="false"
                  autocomplete="off"
                  .value=${form.keys}
                  @input=${(event: Event) => set({ keys: (event.target as HTMLTextAreaElement).value, fault: '' })}
                ></textarea>
              </div>`
        }
        ${wish.draw('labels')}
      </section>
      <section class="card stack" aria-labelledby="paper-title">
        <h2 id="paper-title">${words.labels.paper}</h2>
        ${select('stock', words.labels.stock, Object.entries(words.labels.stocks), form.stock, value => set({ stock: value as Stock }))}
        <div class="field">
          <label for="skip">${words.labels.skip}</label>
          <input id="skip" type="number" min="0" max=${STOCKS[form.stock] - 1} .value=${form.skip} @input=${(event: Event) => set({ skip: (event.target as HTMLInputElement).value })} />
        </div>
        <details>
          <summary>${words.labels.more}</summary>
          <div class="stack">${more(table)}</div>
        </details>
        ${form.fault ? html`<p class="fault" role="alert">${form.fault}</p>` : nothing}
        <div class="row">
          <button class="main" aria-disabled=${task.isRunning || count === 0}>${icon('label')} ${words.labels.go(Math.max(1, count))}</button>
        </div>
        ${problem(task.problem)}
      </section>
    </form>`
}

function more(table: ShopTable): TemplateResult {
  return html`${
    table.addresses.length < 2
      ? nothing
      : select(
          'address',
          words.labels.address,
          table.addresses.map(name => [name, name] as const),
          form.address || table.addresses[0]!,
          address => set({ address }),
        )
  }
    ${select('name', words.labels.name, [['', words.labels.noName], ...[...table.readable, ...table.sealed.map(({ column }) => column)].map(column => [column, column] as const)], form.name, name => set({ name }))}
    ${input('country', words.labels.country, form.from, from => set({ from }))}
    ${
      table.readable.length === 0
        ? nothing
        : html`<fieldset class="boxes">
            <legend>${words.labels.packing}</legend>
            ${table.readable.map(
              column => html`<label
                ><input type="checkbox" .checked=${form.packing.has(column)} @change=${() => togglePacking(column)} /> <span>${column}</span></label
              >`,
            )}
          </fieldset>`
    }`
}

function set(change: Partial<typeof form>): void {
  Object.assign(form, change)
  redraw()
}

function togglePacking(column: string): void {
  if (!form.packing.delete(column)) form.packing.add(column)
  redraw()
}

function keysOf({ key }: ShopTable): Keys {
  return form.by === 'range' && key.length === 1
    ? readRange(form.first, form.last, MOST)
    : readKeys(form.keys, key.length, MOST)
}

function submit(event: SubmitEvent, table: ShopTable, keys: Keys): void {
  event.preventDefault()
  const { faults } = words.labels
  form.fault =
    'keys' in keys
      ? ''
      : { ...faults, many: faults.many(MOST), columns: faults.columns(table.key.length) }[keys.fault]
  redraw()
  const { enrolment, purpose } = wish
  if (!('keys' in keys) || !enrolment || !purpose || task.isRunning) return
  const address = table.addresses.includes(form.address) ? form.address : table.addresses[0]!
  void make({
    as: enrolment.name,
    purpose: purpose.name,
    table: table.name,
    keys: keys.keys,
    address,
    ...(form.name ? { name: form.name } : {}),
    ...(form.packing.size > 0 ? { packing: [...form.packing] } : {}),
    stock: form.stock,
    skip: Number(form.skip) || 0,
    ...(form.from.trim() ? { from: form.from.trim() } : {}),
  })
}

function make(body: LabelsBody): Promise<void> {
  page = null
  sheet.clear()
  ending = new AbortController()
  const { signal } = ending
  progress = { done: 0, total: body.keys.length }
  focusOn('#labels-title')
  return task.run(async () => {
    try {
      for await (const line of lines('labels', body, tokens.get(), signal)) {
        if (line === null) continue
        if (line.is === 'problem') throw new Refusal(line.problem)
        if (line.is === 'progress') progress = line
        else {
          page = line
          sheet.put(line.html, redraw)
        }
        redraw()
      }
    } catch (error) {
      noteRefusal(error)
      if (!signal.aborted) throw error
    } finally {
      progress = null
      if (!signal.aborted) focusOn(page ? '#labels-title' : '#title')
    }
  })
}

function result(): TemplateResult | typeof nothing {
  if (progress)
    return html`<section class="card stack" aria-labelledby="labels-title">
      <h2 id="labels-title" tabindex="-1">${words.reveal.going}</h2>
      <progress aria-labelledby="labels-title" max=${progress.total} .value=${progress.done}></progress>
      <p role="status">${words.labels.progress(progress.done, progress.total)}</p>
      <div class="row"><button type="button" @click=${leave}>${words.labels.stop}</button></div>
    </section>`
  if (!page) return nothing
  const { labels, leftOut } = page
  return html`<section class="card stack results" aria-labelledby="labels-title">
    <h2 id="labels-title" tabindex="-1">${words.labels.done(labels)}</h2>
    ${
      labels === 0
        ? nothing
        : html`<p>${words.labels.printHint}</p>
            <div class="row">
              <button type="button" class="main" aria-disabled=${!sheet.isReady} @click=${() => sheet.print()}>${words.labels.print}</button>
              <button type="button" @click=${leave}>${words.labels.throwAway}</button>
            </div>
            <iframe class="sheet" title=${words.labels.preview} sandbox="allow-same-origin allow-modals" src=${sheet.address} @load=${(event: Event) => sheet.dress(event.target as HTMLIFrameElement)}></iframe>`
    }
    ${
      leftOut.length === 0
        ? nothing
        : html`<h3>${words.labels.leftOut(leftOut.length)}</h3>
            <ul class="plain lined">
              ${leftOut.map(({ record, reason }) => html`<li><span class="strong">${record}</span> <span lang="en">${reason}</span></li>`)}
            </ul>`
    }
  </section>`
}

function leave(): void {
  leaveLabels()
  focusOn('#title')
}
