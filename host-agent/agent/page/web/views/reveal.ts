/** Revealing values: what, for which purpose, and then for a short while the values themselves. */
import { html, nothing, type TemplateResult } from 'lit-html'
import type { RevealBody } from '../../api.ts'
import { choice, icon, input, problem, select, title } from '../parts.ts'
import { covers, uncovered, waysOf } from '../pure/covers.ts'
import { type Item, readPasted } from '../pure/pasted.ts'
import { announce, ask, focusOn, operators, redraw, state, Task } from '../store.ts'
import { type Reason, type Shown, Values } from '../values.ts'
import { errorWords, timeOf, words } from '../words/words.ts'
import { Finding } from './find.ts'
import { notReady, Wish } from './purpose.ts'

type Way = NonNullable<RevealBody['reveal']>

const form = {
  by: 'paste' as 'paste' | 'find',
  text: '',
  field: '',
  record: '',
  reason: '',
  way: 'full' as Way,
  fault: '',
  entry: 0,
  copied: -1,
}
const wish = new Wish()
const finding = new Finding()
const task = new Task()
const values = new Values(
  () => ask('overview', null),
  () => {
    // the buttons beside the values go with them, and must not take the focus along
    if (values.list.length === 0 && document.activeElement?.closest('.results')) focusOn('#title')
    else redraw()
  },
)

/** Takes away what was revealed. */
export function leaveReveal(reason: Reason = 'asked'): void {
  values.clear(reason)
}

/** Taken away at once when the stream says that there is nothing to reveal with. */
export function checkReveal(): void {
  if (state.link !== 'up') values.clear('gone')
}

export function reveal(): TemplateResult {
  const shown = results()
  if (operators().length === 0) return html`${title(words.pages.reveal)} ${shown} ${notReady()}`
  const hasTables = (state.overview?.tables.length ?? 0) > 0
  const { items, fault } = gathered()
  const fields = items.map(({ context }) => context.field)
  wish.fields = fields
  const { purpose } = wish
  const asked = purpose ? items.filter(({ context }) => covers(purpose, context.field)) : []
  const left = purpose ? uncovered(purpose, fields) : []
  const ways = purpose ? waysOf(purpose) : []
  return html`${title(words.pages.reveal)} ${shown}
    <form class="stack" @submit=${(event: SubmitEvent) => submit(event, asked, fault)}>
      <section class="card stack" aria-labelledby="what-title">
        <h2 id="what-title">${words.reveal.what}</h2>
        ${
          hasTables
            ? choice(
                'by',
                words.reveal.what,
                [
                  ['paste', words.reveal.paste],
                  ['find', words.reveal.lookUp],
                ],
                form.by,
                by => {
                  form.by = by
                  redraw()
                },
              )
            : nothing
        }
        ${form.by === 'find' && hasTables ? finding.draw() : pasting()}
      </section>
      <section class="card stack" aria-labelledby="who-title">
        <h2 id="who-title">${words.reveal.who}</h2>
        ${wish.draw('reveal')}
        ${
          ways.length < 2
            ? nothing
            : select(
                'way',
                words.reveal.how,
                ways.map(way => [way, words.reveal.hows[way]] as const),
                chosenWay(ways),
                value => {
                  form.way = value as Way
                  redraw()
                },
              )
        }
        ${input(
          'reason',
          words.reveal.reason,
          form.reason,
          value => {
            form.reason = value
          },
          { hint: words.reveal.reasonHint },
        )}
        ${left.length > 0 ? html`<p class="note" role="status">${icon('warn')} ${words.reveal.uncovered(purpose!.name, left.join(', '))}</p>` : nothing}
        ${form.fault ? html`<p class="fault" role="alert">${form.fault}</p>` : nothing}
        <div class="row">
          <button class="main" aria-disabled=${task.isRunning || asked.length === 0}>
            ${icon('eye')} ${task.isRunning ? words.reveal.going : words.reveal.go(Math.max(1, asked.length))}
          </button>
          ${task.isRunning ? html`<p class="quiet" role="status">${wish.enrolment?.waitsForTouch ? words.reveal.touchNow : words.reveal.touch}</p>` : nothing}
        </div>
        ${problem(task.problem)}
      </section>
    </form>`
}

function chosenWay(ways: readonly Way[]): Way {
  return ways.includes(form.way) ? form.way : (ways[0] ?? 'full')
}

function gathered(): { items: Item[]; fault: string } {
  if (form.by === 'find') {
    const { items } = finding
    return {
      items,
      fault:
        items.length === 0 ? words.reveal.faults.empty : items.length > 100 ? words.reveal.faults.many : '',
    }
  }
  const read = readPasted(form.text)
  if (read.is === 'items') return { items: read.items, fault: '' }
  if (read.is === 'fault') return { items: [], fault: words.reveal.faults[read.fault] }
  const context = { field: form.field.trim(), record: form.record.trim() }
  if (context.field === '') return { items: [], fault: words.reveal.faults.context }
  return { items: [{ ciphertext: read.ciphertext, context }], fault: '' }
}

function pasting(): TemplateResult {
  const read = readPasted(form.text)
  const fault = read.is === 'fault' && read.fault !== 'empty' ? words.reveal.faults[read.fault] : ''
  return html`<div class="field">
      <label for="pasted">${words.reveal.pasteLabel}</label>
      <textarea
        id="pasted"
        class="code"
        rows="4"
        spellcheck="false"
        autocomplete="off"
        aria-describedby="pasted-hint"
        aria-invalid=${fault !== ''}
        .value=${form.text}
        @input=${(event: Event) => {
          form.text = (event.target as HTMLTextAreaElement).value
          form.fault = ''
          redraw()
        }}
      ></textarea>
      <p class=${fault ? 'fault' : 'quiet'} id="pasted-hint">${fault || words.reveal.pasteHint}</p>
    </div>
    ${
      read.is === 'token'
        ? html`<div class="pair">
            ${input('field', words.reveal.field, form.field, value => put('field', value), { hint: words.reveal.fieldHint })}
            ${input('record', words.reveal.record, form.record, value => put('record', value), { hint: words.reveal.recordHint })}
          </div>`
        : nothing
    }
    ${
      read.is === 'items'
        ? html`<ul class="plain tight">
            ${read.items.map(({ context }) => html`<li><span class="strong">${context.field}</span> ${context.record}</li>`)}
          </ul>`
        : nothing
    }`
}

function put(name: 'field' | 'record', value: string): void {
  form[name] = value
  form.fault = ''
  redraw()
}

function submit(event: SubmitEvent, items: readonly Item[], fault: string): void {
  event.preventDefault()
  const { enrolment, purpose } = wish
  form.fault = fault || (items.length === 0 ? words.reveal.nothing : '')
  redraw()
  if (form.fault || !enrolment || !purpose) return
  const way = chosenWay(waysOf(purpose))
  const body: RevealBody = {
    as: enrolment.name,
    purpose: purpose.name,
    ...(form.reason.trim() ? { reason: form.reason.trim() } : {}),
    ...(way === 'full' ? {} : { reveal: way }),
    items: [...items],
  }
  values.clear('asked')
  void task.run(async () => {
    const { results, entry } = await ask('reveal', body)
    form.entry = entry
    form.copied = -1
    const list = results.map((outcome, i): Shown => ({ ...items[i]!.context, outcome, isOpen: false }))
    values.hold(list, body.as, state.overview?.clearAfter ?? 30_000)
    focusOn('#results-title')
  })
}

function results(): TemplateResult {
  const { list, cleared } = values
  if (list.length === 0)
    return html`<div role="status">${cleared ? html`<p class="note">${icon('clock')} ${words.reveal.cleared[cleared]}</p>` : nothing}</div>`
  return html`<section class="card results stack" aria-labelledby="results-title">
    <div class="row spread">
      <h2 id="results-title" tabindex="-1">${words.reveal.results}</h2>
      <p class="quiet" aria-hidden="true">${values.hasValues ? words.reveal.clearsIn(values.seconds) : nothing}</p>
    </div>
    <ul class="plain lined">
      ${list.map(result)}
    </ul>
    <div class="row spread">
      <button type="button" @click=${away}>${words.reveal.clear}</button>
      <p class="quiet">${words.reveal.entry(form.entry)}</p>
    </div>
  </section>`
}

function away(): void {
  values.clear('asked')
  focusOn('#title')
}

function result(shown: Shown, i: number): TemplateResult {
  const { field, record, outcome, isOpen } = shown
  const name = `${field} ${record}`
  if (!('value' in outcome)) {
    const [what, next] = errorWords(outcome.code) ?? [outcome.code, '']
    return html`<li class="entry">
      <div>
        <p><span class="strong">${field}</span> ${record}</p>
        <p>${icon('warn')} ${what} ${next} ${outcome.free ? words.free(timeOf(outcome.free)) : nothing}</p>
      </div>
    </li>`
  }
  return html`<li class="entry">
    <div class="grow">
      <p><span class="strong">${field}</span> ${record}</p>
      <p class="value" role="status" dir="auto">${isOpen ? outcome.value : html`<span aria-hidden="true">••••••••</span><span class="unseen">${words.reveal.hidden}</span>`}</p>
      <p class="quiet" role="status">${form.copied === i ? words.reveal.copied : nothing}</p>
    </div>
    <div class="row">
      <button
        type="button"
        aria-label="${isOpen ? words.reveal.hide : words.reveal.show}: ${name}"
        @click=${() => {
          shown.isOpen = !isOpen
          redraw()
        }}
      >
        ${isOpen ? words.reveal.hide : words.reveal.show}
      </button>
      <button type="button" aria-label="${words.reveal.copy}: ${name}" @click=${() => void copy(i, outcome.value)}>
        ${words.reveal.copy}
      </button>
    </div>
  </li>`
}

async function copy(i: number, value: string): Promise<void> {
  const isCopied = await navigator.clipboard.writeText(value).then(
    () => true,
    () => false,
  )
  form.copied = isCopied ? i : -1
  if (!isCopied) announce(words.reveal.copyFailed)
  redraw()
}
