/** Lockdown: asked once, done on every device that was chosen, and then it is said who lifts it. */
import { html, nothing, type TemplateResult } from 'lit-html'
import { icon, problem } from '../parts.ts'
import { type Device, devicesOf } from '../pure/devices.ts'
import { ask, enrolments, focusOn, redraw } from '../store.ts'
import { words } from '../words/words.ts'

const form = {
  isRunning: false,
  left: new Set<string>(),
  done: null as { device: Device; error: unknown }[] | null,
}

const reachable = () =>
  devicesOf(enrolments()).filter(({ state }) => state === 'operational' || state === 'locked')

export function openLockdown(): void {
  form.done = null
  form.left.clear()
  redraw()
  queueMicrotask(() => document.querySelector<HTMLDialogElement>('#lockdown')?.showModal())
}

const shut = () => document.querySelector<HTMLDialogElement>('#lockdown')?.close()

export function lockdown(): TemplateResult {
  return html`<dialog id="lockdown" class="alarm" aria-labelledby="lockdown-title" aria-describedby="lockdown-text">
    ${form.done ? outcome(form.done) : question()}
  </dialog>`
}

function question(): TemplateResult {
  const devices = reachable()
  if (devices.length === 0)
    return html`<h2 id="lockdown-title" tabindex="-1">${words.lockdown.button}</h2>
      <p id="lockdown-text">${words.lockdown.none}</p>
      <div class="row"><button type="button" @click=${shut}>${words.close}</button></div>`
  return html`<h2 id="lockdown-title" tabindex="-1">${words.lockdown.title}</h2>
    <div id="lockdown-text"><p>${words.lockdown.text}</p><p>${words.lockdown.when}</p></div>
    ${
      devices.length < 2
        ? nothing
        : html`<fieldset class="boxes">
            <legend>${words.lockdown.which}</legend>
            ${devices.map(
              ({ id, namespace, serial }) => html`<label
                ><input type="checkbox" .checked=${!form.left.has(id)} @change=${() => toggle(id)} />
                <span>${namespace} <span class="code">${serial}</span></span></label
              >`,
            )}
          </fieldset>`
    }
    <div class="row">
      <button type="button" class="red" aria-disabled=${form.isRunning} @click=${() => void trip()}>
        ${icon('stop')} ${form.isRunning ? words.lockdown.going : words.lockdown.go}
      </button>
      <button type="button" @click=${shut}>${words.cancel}</button>
    </div>`
}

function outcome(done: NonNullable<typeof form.done>): TemplateResult {
  const isDone = done.every(({ error }) => error === null)
  return html`<h2 id="lockdown-title" tabindex="-1">
      ${isDone ? words.lockdown.done : words.lockdown.failed}
    </h2>
    <div id="lockdown-text">
      ${done.map(
        ({
          device,
          error,
        }) => html`${done.length > 1 ? html`<h3>${device.namespace} <span class="code">${device.serial}</span></h3>` : nothing}
          <p>${error === null ? words.lockdown.doneText : words.lockdown.failedText}</p>
          ${problem(error)}`,
      )}
    </div>
    <div class="row"><button type="button" @click=${shut}>${words.close}</button></div>`
}

function toggle(id: string): void {
  if (!form.left.delete(id)) form.left.add(id)
  redraw()
}

async function trip(): Promise<void> {
  const devices = reachable().filter(({ id }) => !form.left.has(id))
  if (form.isRunning || devices.length === 0) return
  form.isRunning = true
  redraw()
  form.done = await Promise.all(
    devices.map(async device => {
      const { name } = device.enrolments.find(({ state }) => state !== null)!
      return ask('lockdown', { as: name }).then(
        () => ({ device, error: null }),
        error => ({ device, error }),
      )
    }),
  )
  form.isRunning = false
  focusOn('#lockdown-title')
}
