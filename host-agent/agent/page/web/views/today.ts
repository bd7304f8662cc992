/** What was opened today: from the log of the device, never a value. */
import { html, nothing, type TemplateResult } from 'lit-html'
import type { TodayEntry } from '../../api.ts'
import { icon, problem, select, title } from '../parts.ts'
import { ask, enrolments, Task } from '../store.ts'
import { errorWords, timeOf, words } from '../words/words.ts'

let as = ''
let entries: TodayEntry[] | null = null
const task = new Task()

const able = () => enrolments().filter(({ state }) => state !== null)
const chosen = () =>
  able().find(({ name }) => name === as) ?? able().find(({ role }) => role === 'operator') ?? able()[0]

export function enterToday(): void {
  entries = null
  void task.run(async () => {
    const enrolment = chosen()
    entries = enrolment ? (await ask('today', { as: enrolment.name })).entries : []
  })
}

export function today(): TemplateResult {
  const enrolment = chosen()
  return html`${title(words.pages.today)}
    <p>${words.today.intro}</p>
    <div class="row bottom">
      ${
        able().length < 2
          ? nothing
          : select(
              'today-as',
              words.reveal.as,
              able().map(({ name, role }) => [name, `${name} (${words.roles[role]})`] as const),
              enrolment?.name ?? '',
              value => {
                as = value
                enterToday()
              },
            )
      }
      <button type="button" @click=${enterToday} aria-disabled=${task.isRunning}>${words.today.refresh}</button>
    </div>
    ${problem(task.problem)}
    <div role="status">
      ${entries === null && task.isRunning ? html`<p>${words.loading}</p>` : nothing}
      ${entries?.length === 0 ? html`<p class="card">${words.today.none}</p>` : nothing}
    </div>
    ${entries?.length ? table(entries) : nothing}`
}

function table(entries: readonly TodayEntry[]): TemplateResult {
  return html`<table class="stacked">
    <caption class="unseen">${words.pages.today}</caption>
    <thead>
      <tr>
        <th scope="col">${words.today.time}</th>
        <th scope="col">${words.today.purpose}</th>
        <th scope="col">${words.today.items}</th>
        <th scope="col">${words.today.outcome}</th>
      </tr>
    </thead>
    <tbody>
      ${entries.toReversed().map(row)}
    </tbody>
  </table>`
}

function row({ time, action, outcome, code, purpose, reason, items }: TodayEntry): TemplateResult {
  const actions: { readonly [action: string]: string } = words.today.actions
  return html`<tr>
    <th scope="row" data-label=${words.today.time}><time datetime=${time}>${timeOf(time, true)}</time></th>
    <td data-label=${words.today.purpose}>
      <span>${purpose ?? actions[action] ?? action}${reason ? html`<span class="quiet below">${reason}</span>` : nothing}</span>
    </td>
    <td data-label=${words.today.items}>
      <ul class="plain tight">
        ${items.map(
          item => html`<li>
            <span class="strong">${item.field}</span> ${item.records.filter(Boolean).join(', ')}
            ${item.code ? html`<span class="quiet below">${errorWords(item.code)?.[0] ?? item.code}</span>` : nothing}
          </li>`,
        )}
      </ul>
    </td>
    <td data-label=${words.today.outcome}>
      <span class="outcome">${icon(outcome === 'allowed' ? 'check' : 'warn')} ${words.today.outcomes[outcome]}</span>
      ${code && items.every(item => item.code !== code) ? html`<span class="quiet below">${errorWords(code)?.[0] ?? code}</span>` : nothing}
    </td>
  </tr>`
}
