/**
 * `<claviger-field>`: one sealed field in a page of the shop. The value is shown by the agent of the person's own computer, in a frame that
 * the shop's page can neither read nor draw over unnoticed; this element only places that frame. docs/formats/page.md, "Frames".
 *
 * Types can be stripped from it: what is left is the JavaScript that a shop serves. It depends on nothing.
 */

const AGENT = 'http://127.0.0.1:7119'
/** How long the agent has to answer, ms: at the most, and once the browser has loaded whatever there is. */
const PATIENCE_MS = 20_000
const LOADED_MS = 3000
/** How near to what is seen of the page a frame is placed: a list of orders may have hundreds. */
const NEAR = '300px'

const WORDS = {
  en: { away: 'Claviger is not running on this computer', again: 'Try again' },
  es: { away: 'Claviger no está en marcha en este equipo', again: 'Intentar de nuevo' },
}

/** What a shop writes on the element; all but `hint`, `agent` and `as` are needed. */
const ATTRIBUTES = ['token', 'context', 'purpose', 'hint', 'agent', 'as'] as const

const STYLES = `
:host { display: inline-block; width: 100%; min-width: 15em; max-width: 30em; height: 2.2em; vertical-align: middle; }
iframe { display: block; width: 100%; height: 100%; border: 0; }
p { display: flex; align-items: center; gap: .5em; height: 100%; margin: 0; padding: 0 .6em; box-sizing: border-box; border: 1px solid; border-radius: 6px; font-size: .9em; }
span { flex: 1; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
button { flex: none; font: inherit; cursor: pointer; }
`

export class ClavigerField extends HTMLElement {
  static readonly observedAttributes: readonly string[] = ATTRIBUTES
  readonly #root: ShadowRoot = this.attachShadow({ mode: 'closed' })
  #timer: ReturnType<typeof setTimeout> | undefined
  #frame: HTMLIFrameElement | null = null
  #isReady = false
  #isDue = false
  #isNear = false
  readonly #nearness = new IntersectionObserver(
    entries => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return
      this.#nearness.disconnect()
      this.#isNear = true
      this.#place()
    },
    { rootMargin: NEAR },
  )

  connectedCallback(): void {
    const styles = new CSSStyleSheet()
    styles.replaceSync(STYLES)
    this.#root.adoptedStyleSheets = [styles]
    addEventListener('message', this.#listen)
    this.#nearness.observe(this)
  }

  disconnectedCallback(): void {
    removeEventListener('message', this.#listen)
    this.#nearness.disconnect()
    this.#isNear = false
    clearTimeout(this.#timer)
    this.#root.replaceChildren()
    this.#frame = null
  }

  attributeChangedCallback(_: string, before: string | null, after: string | null): void {
    if (!this.isConnected || before === after || this.#isDue) return
    // several attributes are often set in a row
    this.#isDue = true
    queueMicrotask(() => {
      this.#isDue = false
      if (this.isConnected && this.#isNear) this.#place()
    })
  }

  get #agent(): URL {
    return new URL(this.getAttribute('agent') ?? AGENT)
  }

  /** A new frame for what the attributes say now. */
  #place(): void {
    const address = new URL('/field', this.#agent)
    address.searchParams.set('from', location.origin)
    const told = ATTRIBUTES.filter(name => name !== 'agent').flatMap(name => {
      const value = this.getAttribute(name)
      return value === null ? [] : [[name, value]]
    })
    // behind the hash: it is sent to nobody
    address.hash = new URLSearchParams(told).toString()
    const frame = document.createElement('iframe')
    frame.title = `Claviger: ${this.getAttribute('context') ?? ''}`
    frame.allow = 'clipboard-write; local-network-access; loopback-network'
    frame.referrerPolicy = 'no-referrer'
    // its own origin for its token, and windows of its own for the agent's page
    frame.sandbox.add('allow-scripts', 'allow-same-origin', 'allow-popups', 'allow-popups-to-escape-sandbox')
    frame.src = address.href
    this.#frame = frame
    // also of the browser's own page that nothing answers
    frame.addEventListener('load', () => this.#frame === frame && !this.#isReady && this.#wait(LOADED_MS))
    this.#isReady = false
    this.#wait(PATIENCE_MS)
    this.#root.replaceChildren(frame)
  }

  #wait(time: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#tellAway(), time)
  }

  readonly #listen = (event: MessageEvent): void => {
    const isOurs = event.source === this.#frame?.contentWindow && event.origin === this.#agent.origin
    if (!isOurs || event.data?.claviger !== 'ready') return
    this.#isReady = true
    clearTimeout(this.#timer)
  }

  #tellAway(): void {
    const { away, again } = navigator.language.toLowerCase().startsWith('es') ? WORDS.es : WORDS.en
    const line = document.createElement('p')
    const text = document.createElement('span')
    const hint = this.getAttribute('hint')
    text.textContent = hint === null ? away : `${hint} · ${away}`
    text.title = text.textContent
    text.setAttribute('role', 'status')
    const button = document.createElement('button')
    button.type = 'button'
    button.textContent = again
    button.addEventListener('click', () => this.#place())
    line.append(text, button)
    this.#frame = null
    this.#root.replaceChildren(line)
  }
}

customElements.define('claviger-field', ClavigerField)
