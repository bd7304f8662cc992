/**
 * The printed page of labels, in a frame that runs no script. It is a document of this browser alone (`blob:`) and has the rules of the page
 * around it, which allow no style in markup: its styles are put on from outside, through the object model.
 */
export class Sheet {
  address = 'about:blank'
  isReady = false
  #frame: HTMLIFrameElement | null = null
  #changed = () => {}

  /** @param html - as the agent answers it @param changed - called when it can be printed */
  put(html: string, changed: () => void): void {
    this.clear()
    this.#changed = changed
    // put where they say nothing, since the browser would complain of each; texts have no quotation marks and angles of their own
    const quiet = html
      .replaceAll(' style="', ' data-style="')
      .replaceAll('<style>', '<template>')
      .replaceAll('</style>', '</template>')
    this.address = URL.createObjectURL(new Blob([quiet], { type: 'text/html' }))
  }

  /** Once it is loaded. */
  dress(frame: HTMLIFrameElement): void {
    const { contentDocument: inside, contentWindow: view } = frame
    if (!inside || !view || !inside.querySelector('.sheet')) return
    const { CSSStyleSheet: Own } = view as Window & typeof globalThis
    inside.adoptedStyleSheets = [...inside.querySelectorAll('template')].map(({ content }) => {
      const styles = new Own()
      styles.replaceSync(content.textContent)
      return styles
    })
    for (const element of inside.querySelectorAll<HTMLElement>('[data-style]'))
      element.style.cssText = element.dataset.style!
    // it speaks of a file, and there is none
    inside.querySelector('.note')?.remove()
    this.#frame = frame
    this.isReady = true
    this.#changed()
  }

  print(): void {
    if (this.isReady) this.#frame?.contentWindow?.print()
  }

  clear(): void {
    if (this.address.startsWith('blob:')) URL.revokeObjectURL(this.address)
    this.address = 'about:blank'
    this.isReady = false
    this.#frame = null
  }
}
