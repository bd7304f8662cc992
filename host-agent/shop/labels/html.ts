/** HTML that cannot be broken out of: what is put into a template is text, unless it was made by a template. */

/** A piece of markup. */
export class Html {
  readonly markup: string

  constructor(markup: string) {
    this.markup = markup
  }
}

type Value = string | Html | readonly Html[]

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Text as it is shown; control characters, which no page can show, become a replacement character. */
export function escapeHtml(text: string): string {
  return (
    text
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      .replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/g, '\ufffd')
      .replace(/[&<>"']/g, character => ENTITIES[character]!)
  )
}

/** Tag of a template. Its own text is markup; values are escaped, also inside quoted attributes. */
export function html(texts: TemplateStringsArray, ...values: Value[]): Html {
  const markup = texts.map((text, i) => text + (i < values.length ? markupOf(values[i]!) : ''))
  return new Html(markup.join(''))
}

function markupOf(value: Value): string {
  if (typeof value === 'string') return escapeHtml(value)
  return value instanceof Html ? value.markup : value.map(({ markup }) => markup).join('\n')
}
