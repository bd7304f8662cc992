/** Who asks, and what for: the same choice for revealing and for labels. */
import { html, nothing, type TemplateResult } from 'lit-html'
import type { Enrolment, Purpose } from '../../api.ts'
import { select } from '../parts.ts'
import { covers } from '../pure/covers.ts'
import { operators, redraw } from '../store.ts'
import { words } from '../words/words.ts'

/** What somebody chose; what is not there any more counts as not chosen. */
export class Wish {
  /** What it is for: the purpose that covers most of them is the one that is proposed. */
  fields: readonly string[] = []
  #as = ''
  #purpose = ''

  get enrolment(): Enrolment | undefined {
    return operators().find(({ name }) => name === this.#as) ?? operators()[0]
  }

  get purpose(): Purpose | undefined {
    const purposes = this.enrolment?.purposes ?? []
    const covered = (purpose: Purpose) => this.fields.filter(field => covers(purpose, field)).length
    return (
      purposes.find(({ name }) => name === this.#purpose) ??
      purposes.toSorted((a, b) => covered(b) - covered(a))[0]
    )
  }

  /** @param id - of the elements */
  draw(id: string): TemplateResult {
    const { enrolment, purpose } = this
    const all = operators()
    return html`${
      all.length < 2
        ? nothing
        : select(
            `${id}-as`,
            words.reveal.as,
            all.map(({ name, namespace }) => [name, `${name} (${namespace})`] as const),
            enrolment!.name,
            value => {
              this.#as = value
              redraw()
            },
          )
    }
    ${
      purpose
        ? html`<div class="field">
            ${select(
              `${id}-purpose`,
              words.reveal.purpose,
              enrolment!.purposes!.map(({ name }) => [name, name] as const),
              purpose.name,
              value => {
                this.#purpose = value
                redraw()
              },
            )}
            ${purpose.budgets.map(budget)}
          </div>`
        : html`<p class="strong">${enrolment?.purposes ? words.reveal.noPurpose : words.reveal.unknownPurpose}</p>`
    }`
  }
}

function budget({ per, records, operations }: Purpose['budgets'][number]): TemplateResult | typeof nothing {
  const units: { readonly [per: string]: string } = words.units
  const left = [
    ...(records === null ? [] : [[records, words.admin.records] as const]),
    ...(operations === null ? [] : [[operations, words.admin.operations] as const]),
  ]
  return left.length === 0
    ? nothing
    : html`<p class="quiet">${left.map(([n, what]) => words.reveal.left(n, what, units[per] ?? per)).join(', ')}</p>`
}

/** In place of a form, while no device is ready. */
export function notReady(): TemplateResult {
  return html`<section class="card">
    <h2>${words.reveal.unlockFirst}</h2>
    <p>${words.reveal.toHome}</p>
    <div class="row"><a class="button main" href="#home">${words.pages.home}</a></div>
  </section>`
}
