/** The devices: what each is doing, unlocking it, locking it, lifting a lockdown. */
import { html, nothing, type TemplateResult } from 'lit-html'
import type { Enrolment } from '../../api.ts'
import { Refusal } from '../call.ts'
import { icon, problem, select, title } from '../parts.ts'
import { type Device, devicesOf, stateName, unlockers } from '../pure/devices.ts'
import { announce, ask, enrolments, focusOn, redraw, state, Task } from '../store.ts'
import { words } from '../words/words.ts'

const ICONS = {
  silent: 'silent',
  unprovisioned: 'warn',
  locked: 'lock',
  operational: 'check',
  lockdown: 'stop',
  failed: 'warn',
} as const

/** What is going on with a device, by its id. */
const going = new Map<string, { task: Task; as: string | null; said: string }>()

function goingOf({ id }: Device) {
  const known = going.get(id) ?? { task: new Task(), as: null, said: '' }
  going.set(id, known)
  return known
}

export function home(): TemplateResult {
  const { strangers = [] } = state.overview ?? {}
  const devices = devicesOf(enrolments())
  return html`${title(words.pages.home)}
    ${
      devices.length === 0
        ? html`<section class="card"><h2>${words.home.none}</h2><p>${words.home.noneNext}</p></section>`
        : html`<ul class="cards">${devices.map((device, i) => html`<li>${card(device, i)}</li>`)}</ul>`
    }
    ${
      strangers.length === 0
        ? nothing
        : html`<section class="card">
            <h2>${words.home.strangers}</h2>
            <ul class="plain">
              ${strangers.map(
                stranger => html`<li>
                  ${words.home.stranger}: <span class="code">${stranger.serial ?? stranger.path}</span>
                  ${stranger.problem ? html`<p class="quiet" lang="en">${stranger.problem}${stranger.hint ? `: ${stranger.hint}` : ''}</p>` : nothing}
                </li>`,
              )}
            </ul>
          </section>`
    }`
}

function card(device: Device, i: number): TemplateResult {
  const name = stateName(device)
  const { word, text } = words.states[name]
  const fault = device.enrolments.find(({ problem }) => problem !== undefined)
  const { task, said } = goingOf(device)
  return html`<section class="card device" data-state=${name} aria-labelledby="device-${i}">
    <div class="state">
      ${icon(ICONS[name])}
      <h2 id="device-${i}" tabindex="-1">${word}</h2>
    </div>
    <p>${text}</p>
    ${
      name === 'silent' && fault
        ? html`<p class="quiet" lang="en">${fault.problem}${fault.hint ? `: ${fault.hint}` : ''}</p>`
        : nothing
    }
    <p class="said" role="status">${said}</p>
    ${actions(device, i)} ${problemOf(device, task.problem)}
    <dl class="facts">
      <div><dt>${words.home.shop}</dt><dd>${device.namespace}</dd></div>
      <div>
        <dt>${words.home.device}</dt>
        <dd><span class="code">${device.serial}</span>${device.wire ? `, ${words.home[device.wire]}` : ''}</dd>
      </div>
      <div>
        <dt>${words.home.enrolments}</dt>
        <dd>${device.enrolments.map(({ name, role }) => `${name} (${words.roles[role]})`).join(', ')}</dd>
      </div>
    </dl>
  </section>`
}

function actions(device: Device, i: number): TemplateResult | typeof nothing {
  const { task } = goingOf(device)
  if (device.state === 'locked') return unlockForm(device, i)
  if (device.state === 'lockdown') return liftForm(device, i)
  if (device.state !== 'operational') return nothing
  const able = unlockers(device)
  return html`<div class="row">
    ${device.enrolments.some(({ role }) => role === 'operator') ? html`<a class="button main" href="#reveal">${icon('eye')} ${words.home.toReveal}</a>` : nothing}
    ${
      able[0]
        ? html`<button type="button" ?disabled=${task.isRunning} @click=${() => lock(device, i, able[0]!)}>
            ${icon('lock')} ${words.home.lock}
          </button>`
        : nothing
    }
  </div>`
}

function unlockForm(device: Device, i: number): TemplateResult | typeof nothing {
  const able = unlockers(device)
  const known = goingOf(device)
  const chosen = able.find(({ name }) => name === known.as) ?? able[0]
  if (!chosen) return nothing
  const choose = (name: string) => {
    known.as = name
    known.task.problem = null
    redraw()
  }
  return html`<form class="stack" @submit=${(event: SubmitEvent) => submit(event, device, i, chosen)}>
    ${
      able.length < 2
        ? nothing
        : select(
            `unlock-as-${i}`,
            words.home.unlockAs,
            able.map(({ name, role }) => [name, `${name} (${words.roles[role]})`] as const),
            chosen.name,
            choose,
          )
    }
    ${chosen.asks === 'nothing' ? html`<p>${words.home.unlockOwn}</p>` : secretField(`secret-${i}`, chosen.asks)}
    <button class="main" aria-disabled=${known.task.isRunning}>
      ${known.task.isRunning ? words.home.unlocking : words.home.unlock}
    </button>
  </form>`
}

function secretField(id: string, asks: 'pin' | 'passphrase'): TemplateResult {
  // one-time-code: the browser does not offer to store it
  return html`<div class="field">
    <label for=${id}>${words.home[asks]}</label>
    <input
      id=${id}
      name="secret"
      type="password"
      class=${asks}
      inputmode=${asks === 'pin' ? 'numeric' : 'text'}
      autocomplete="one-time-code"
      required
      maxlength="1024"
    />
  </div>`
}

function liftForm(device: Device, i: number): TemplateResult {
  const administrator = device.enrolments.find(({ role }) => role === 'administrator')
  if (!administrator) return html`<p class="strong">${words.home.liftWho}</p>`
  const { task } = goingOf(device)
  return html`<form class="stack" @submit=${(event: SubmitEvent) => submit(event, device, i, administrator)}>
    ${secretField(`secret-${i}`, 'passphrase')}
    <button class="main" aria-disabled=${task.isRunning}>
      ${task.isRunning ? words.home.lifting : words.home.lift}
    </button>
  </form>`
}

/** Unlocks, or lifts a lockdown: what the state asks for. */
function submit(event: SubmitEvent, device: Device, i: number, { name, asks }: Enrolment): void {
  event.preventDefault()
  const form = event.target as HTMLFormElement
  const secret = String(new FormData(form).get('secret') ?? '')
  const known = goingOf(device)
  known.said = ''
  known.as = name
  const isLift = device.state === 'lockdown'
  void known.task
    .run(async () => {
      const answer = isLift
        ? await ask('lift', { as: name, passphrase: secret })
        : await ask('unlock', { as: name, secret: asks === 'nothing' ? '' : secret })
      settle(device, answer.state)
      known.said = isLift ? words.home.lifted : words.home.unlocked
      focusOn(answer.state === 'locked' ? `#secret-${i}` : `#device-${i}`)
    })
    .finally(() => {
      form.reset()
      if (known.task.problem) focusOn(`#secret-${i}`)
    })
}

function lock(device: Device, i: number, { name }: Enrolment): void {
  const known = goingOf(device)
  known.said = ''
  void known.task.run(async () => {
    const { state } = await ask('lock', { as: name })
    settle(device, state)
    announce(words.home.locked)
    focusOn(`#device-${i}`)
  })
}

/** The stream says the same a moment later; until then the answer counts. */
function settle({ serial, namespace }: Device, state: Enrolment['state']): void {
  for (const enrolment of enrolments())
    if (enrolment.serial === serial && enrolment.namespace === namespace) enrolment.state = state
  redraw()
}

function problemOf(device: Device, error: unknown): TemplateResult | typeof nothing {
  if (!(error instanceof Refusal) || error.code !== 'unlock-refused') return problem(error)
  const { as } = goingOf(device)
  const isPin = device.enrolments.find(({ name }) => name === as)?.asks === 'pin'
  const left = /^(\d+) tries are left$/.exec(error.hint ?? '')?.[1]
  if (!isPin) return problem(error, words.home.wrongPassphrase)
  return problem(
    error,
    html`${words.home.wrongPin} ${left === undefined ? nothing : words.home.tries(Number(left))}`,
  )
}
