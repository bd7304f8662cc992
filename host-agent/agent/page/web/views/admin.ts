/** For administrators and auditors: how the device is, who may what, and what is left of it. */
import { html, nothing, type TemplateResult } from 'lit-html'
import type { AdminAnswer } from '../../api.ts'
import { icon, problem, select, title } from '../parts.ts'
import { ask, redraw, Task, watchers } from '../store.ts'
import { numberOf, timeOf, words } from '../words/words.ts'

const LOOK_MS = 30_000

let as = ''
let answer: AdminAnswer | null = null
let timer: ReturnType<typeof setInterval> | undefined
let plots: typeof import('../plots.ts') | null = null
const task = new Task()

const chosen = () => watchers().find(({ name }) => name === as) ?? watchers()[0]

export function enterAdmin(): void {
  leaveAdmin()
  timer = setInterval(() => document.visibilityState === 'visible' && look(), LOOK_MS)
  look()
}

export function leaveAdmin(): void {
  clearInterval(timer)
  plots?.removePlots()
}

function look(): void {
  const enrolment = chosen()
  if (!enrolment) return
  void task.run(async () => {
    answer = await ask('admin', { as: enrolment.name })
    plots ??= await import('../plots.ts')
    redraw()
    // after that drawing, when there is room for them
    const { history } = answer
    queueMicrotask(() => queueMicrotask(() => plots?.drawPlots(history)))
  })
}

export function admin(): TemplateResult {
  const all = watchers()
  return html`${title(words.pages.admin)}
    <div class="row bottom">
      ${
        all.length < 2
          ? nothing
          : select(
              'admin-as',
              words.reveal.as,
              all.map(({ name, namespace }) => [name, `${name} (${namespace})`] as const),
              chosen()?.name ?? '',
              value => {
                as = value
                answer = null
                look()
              },
            )
      }
      <button type="button" aria-disabled=${task.isRunning} @click=${look}>${words.admin.refresh}</button>
    </div>
    ${problem(task.problem)}
    ${answer ? everything(answer) : html`<p role="status">${task.isRunning ? words.loading : nothing}</p>`}`
}

function everything({ health, agents, grants, history }: AdminAnswer): TemplateResult {
  return html`<div class="cards two">
      ${deviceCard(health)} ${alarmsCard(health)}
    </div>
    <section class="card" aria-labelledby="budgets-title">
      <h2 id="budgets-title">${words.admin.budgets}</h2>
      ${health.budgets.length === 0 ? html`<p>${words.admin.noBudgets}</p>` : nothing}
      <ul class="plain lined">
        ${health.budgets.map(budget => budgetRow(budget, grants))}
      </ul>
    </section>
    <section class="card" aria-labelledby="plots-title">
      <h2 id="plots-title">${words.admin.plots}</h2>
      ${history.length < 2 ? html`<p>${words.admin.noPlots}</p>` : html`<div class="plots">${plots?.plotFrames(history) ?? nothing}</div>`}
    </section>
    ${agentsCard(agents)} ${grantsCard(grants)}`
}

function deviceCard({ model, uptime, cpu, memory, log }: AdminAnswer['health']): TemplateResult {
  return html`<section class="card" aria-labelledby="health-title">
    <h2 id="health-title">${words.admin.device}</h2>
    <dl class="facts">
      ${model ? html`<div><dt>${words.admin.device}</dt><dd>${model}</dd></div>` : nothing}
      <div><dt>${words.admin.uptime}</dt><dd>${durationOf(uptime)}</dd></div>
      <div><dt>${words.admin.temperature}</dt><dd>${cpu.temperature === null ? words.admin.unknown : `${numberOf(cpu.temperature, 1)} °C`}</dd></div>
      <div><dt>${words.admin.load}</dt><dd>${numberOf(cpu.load)} %</dd></div>
      <div><dt>${words.admin.memory}</dt><dd>${words.admin.memoryOf(bytesOf(memory.available), bytesOf(memory.total))}</dd></div>
    </dl>
    ${
      log
        ? bar(
            words.admin.log,
            words.admin.logOf(numberOf(log.size - log.oldest), numberOf(log.capacity)),
            log.size - log.oldest,
            log.capacity,
          )
        : nothing
    }
  </section>`
}

function alarmsCard({ alarms }: AdminAnswer['health']): TemplateResult {
  return html`<section class="card" aria-labelledby="alarms-title">
    <h2 id="alarms-title">${words.admin.alarms}</h2>
    ${alarms.length === 0 ? html`<p>${icon('check')} ${words.admin.noAlarms}</p>` : nothing}
    <ul class="plain lined">
      ${alarms.map(
        ({ what, when, why }) => html`<li>
          <p class="strong">${icon('warn')} <span lang="en">${what}</span></p>
          <p class="quiet"><time>${timeOf(when * 1000)}</time> <span lang="en">${why}</span></p>
        </li>`,
      )}
    </ul>
  </section>`
}

function budgetRow(
  { agent, purpose, per, records, operations }: AdminAnswer['health']['budgets'][number],
  grants: AdminAnswer['grants'],
): TemplateResult {
  const all = grants
    .filter(grant => grant.agent === agent && grant.purposes.includes(purpose))
    .flatMap(({ budgets }) => budgets.filter(budget => budget.per === per))
  const most = (of: 'records' | 'operations') => {
    const limits = all.flatMap(budget => budget[of] ?? [])
    return limits.length === 0 ? null : Math.max(...limits)
  }
  const one = (of: 'records' | 'operations', left: number | null) =>
    left === null
      ? nothing
      : bar(words.admin[of], words.admin.leftOf(left, most(of)), left, most(of) ?? Math.max(1, left))
  return html`<li>
    <p><span class="strong">${agent}</span> ${purpose}, ${words.units[per]}</p>
    ${one('records', records)} ${one('operations', operations)}
  </li>`
}

function bar(label: string, text: string, value: number, max: number): TemplateResult {
  return html`<div class="bar">
    <span>${label}</span><span>${text}</span>
    <meter min="0" max=${max} .value=${Math.min(value, max)} aria-label="${label}: ${text}"></meter>
  </div>`
}

function agentsCard(agents: AdminAnswer['agents']): TemplateResult {
  return html`<section class="card" aria-labelledby="agents-title">
    <h2 id="agents-title">${words.admin.agents}</h2>
    <table class="stacked" aria-labelledby="agents-title">
      <thead>
        <tr><th scope="col">${words.admin.agent}</th><th scope="col">${words.admin.role}</th><th scope="col">${words.admin.since}</th></tr>
      </thead>
      <tbody>
        ${agents.map(
          ({ name, role, since, pin, unattended }) => html`<tr>
            <th scope="row" data-label=${words.admin.agent}>${name}</th>
            <td data-label=${words.admin.role}>
              <span>${words.roles[role]}
              ${pin === null ? html`<span class="tag">${words.admin.invitation}</span>` : nothing}
              ${unattended ? html`<span class="tag">${words.admin.unattended}</span>` : nothing}</span>
            </td>
            <td data-label=${words.admin.since}>${timeOf(since * 1000)}</td>
          </tr>`,
        )}
      </tbody>
    </table>
  </section>`
}

function grantsCard(grants: AdminAnswer['grants']): TemplateResult {
  return html`<section class="card" aria-labelledby="grants-title">
    <h2 id="grants-title">${words.admin.grants}</h2>
    ${
      grants.length === 0
        ? html`<p>${words.admin.none}</p>`
        : html`<table class="stacked" aria-labelledby="grants-title">
            <thead>
              <tr>
                <th scope="col">${words.admin.agent}</th>
                <th scope="col">${words.admin.purposes}</th>
                <th scope="col">${words.admin.fields}</th>
                <th scope="col">${words.admin.reveals}</th>
              </tr>
            </thead>
            <tbody>
              ${grants.map(
                ({ agent, purposes, fields, reveal, presence }) => html`<tr>
                  <th scope="row" data-label=${words.admin.agent}>${agent}</th>
                  <td data-label=${words.admin.purposes}>${purposes.join(', ')}</td>
                  <td data-label=${words.admin.fields}>${fields.join(', ')}</td>
                  <td data-label=${words.admin.reveals}>
                    <span>${reveal.join(', ')} ${presence === 'touch' ? html`<span class="tag">${words.admin.touch}</span>` : nothing}</span>
                  </td>
                </tr>`,
              )}
            </tbody>
          </table>`
    }
  </section>`
}

/** @param seconds - as `3 d 4 h` */
function durationOf(seconds: number): string {
  const [days, hours, minutes] = [seconds / 86_400, (seconds / 3600) % 24, (seconds / 60) % 60].map(
    Math.floor,
  )
  return days! > 0 ? `${days} d ${hours} h` : hours! > 0 ? `${hours} h ${minutes} min` : `${minutes} min`
}

export function bytesOf(bytes: number): string {
  return bytes >= 1e9 ? `${numberOf(bytes / 1e9, 1)} GB` : `${numberOf(bytes / 1e6)} MB`
}
