/** The staff's page: its frame, its pages by the hash of the address, and what goes on around them. */
import { html, nothing, render, type TemplateResult } from 'lit-html'
import { keep, kept } from './kept.ts'
import { follow, followAsked, tryAgain } from './live.ts'
import { type IconName, icon, title } from './parts.ts'
import {
  announce,
  drawWith,
  enrolments,
  focusOn,
  PAGES,
  type PageName,
  redraw,
  state,
  watchers,
} from './store.ts'
import { askedBanner, browsers, enterBrowsers } from './views/browsers.ts'
import { home } from './views/home.ts'
import { labels, leaveLabels } from './views/labels.ts'
import { lockdown, openLockdown } from './views/lockdown.ts'
import { gone, pair, unpaired } from './views/outside.ts'
import { checkReveal, leaveReveal, reveal } from './views/reveal.ts'
import { enterToday, today } from './views/today.ts'
import { LANGUAGE_NAMES, type Language, language, setLanguage, words } from './words/words.ts'

interface Page {
  icon: IconName
  draw(): TemplateResult
  enter?(): void
  leave?(): void
  /** Whether it is in the menu. */
  isFor(): boolean
}

const isOperator = () => enrolments().some(({ role }) => role === 'operator')

/** Most who come here are no administrators: fetched when one looks. */
let administration: typeof import('./views/admin.ts') | null = null

async function enterAdministration(): Promise<void> {
  administration ??= await import('./views/admin.ts')
  if (state.page === 'admin') administration.enterAdmin()
  redraw()
}

const VIEWS: { readonly [P in PageName]: Page } = {
  home: { icon: 'plug', draw: home, isFor: () => true },
  reveal: { icon: 'eye', draw: reveal, leave: leaveReveal, isFor: isOperator },
  labels: {
    icon: 'label',
    draw: labels,
    leave: leaveLabels,
    isFor: () => isOperator() && (state.overview?.tables ?? []).some(({ addresses }) => addresses.length > 0),
  },
  today: { icon: 'clock', draw: today, enter: enterToday, isFor: () => enrolments().length > 0 },
  admin: {
    icon: 'bars',
    draw: () => administration?.admin() ?? html`${title(words.pages.admin)}<p>${words.loading}</p>`,
    enter: () => void enterAdministration(),
    leave: () => administration?.leaveAdmin(),
    isFor: () => watchers().length > 0,
  },
  browsers: { icon: 'window', draw: browsers, enter: enterBrowsers, isFor: () => true },
}

const THEMES = ['auto', 'light', 'dark'] as const
type Theme = (typeof THEMES)[number]
const THEME = 'claviger-theme'
let theme = (kept(THEME) ?? 'auto') as Theme

let entered: PageName | null = null
let lastLink = state.link

function draw(): void {
  checkReveal()
  // entered once there is somebody to ask
  if (state.link === 'up' && entered !== state.page) {
    entered = state.page
    VIEWS[state.page].enter?.()
  }
  if (state.link !== 'up' && entered !== null) {
    VIEWS[entered].leave?.()
    entered = null
  }
  if (state.link !== lastLink) {
    lastLink = state.link
    document.querySelector<HTMLDialogElement>('#lockdown')?.close()
    if (state.link === 'gone') announce(words.gone.title)
  }
  const name =
    state.link === 'gone'
      ? words.gone.title
      : state.link === 'unpaired'
        ? words.unpaired.title
        : words.pages[state.page]
  document.title = `${name} · Claviger`
  render(whole(), document.querySelector('#page')!)
}

function whole(): TemplateResult {
  const isUp = state.link === 'up'
  return html`<a class="skip" href="#main" @click=${skip}>${words.skip}</a>
    <header>
      <div class="top">
        <p class="brand">${icon('lock')} Claviger</p>
        ${
          isUp
            ? html`<button type="button" class="red" aria-haspopup="dialog" @click=${openLockdown}>
                ${icon('stop')} ${words.lockdown.button}
              </button>`
            : nothing
        }
      </div>
      ${isUp ? menu() : nothing}
    </header>
    <main id="main" tabindex="-1">${isUp ? askedBanner() : nothing} ${content()}</main>
    ${footer()} ${isUp ? lockdown() : nothing}`
}

function content(): TemplateResult {
  if (state.link === 'unpaired') return unpaired()
  if (state.link === 'gone') return gone()
  if (state.link === 'starting') return html`${title('Claviger')}<p>${words.loading}</p>`
  return VIEWS[state.page].draw()
}

function menu(): TemplateResult {
  return html`<nav aria-label=${words.menu}>
    <ul>
      ${PAGES.filter(name => VIEWS[name].isFor()).map(
        name => html`<li>
          <a href="#${name}" aria-current=${name === state.page ? 'page' : nothing}>
            ${icon(VIEWS[name].icon)} <span>${words.pages[name]}</span>
            ${name === 'browsers' && state.asked.length > 0 ? html`<span class="count">${state.asked.length}</span>` : nothing}
          </a>
        </li>`,
      )}
    </ul>
  </nav>`
}

function footer(): TemplateResult {
  return html`<footer>
    <div class="field inline">
      <label for="language">${words.languageLabel}</label>
      <select id="language" @change=${(event: Event) => void speak((event.target as HTMLSelectElement).value as Language)}>
        ${Object.entries(LANGUAGE_NAMES).map(
          ([tag, name]) =>
            html`<option value=${tag} lang=${tag} .selected=${tag === language}>${name}</option>`,
        )}
      </select>
    </div>
    <div class="field inline">
      <label for="theme">${words.theme}</label>
      <select id="theme" @change=${(event: Event) => paint((event.target as HTMLSelectElement).value as Theme)}>
        ${THEMES.map(name => html`<option value=${name} .selected=${name === theme}>${words.themes[name]}</option>`)}
      </select>
    </div>
  </footer>`
}

/** The hash says which page it is, so it cannot also be the place to go to. */
function skip(event: Event): void {
  event.preventDefault()
  document.querySelector<HTMLElement>('#main')?.focus()
}

async function speak(chosen: Language): Promise<void> {
  await setLanguage(chosen)
  redraw()
}

function paint(chosen: Theme): void {
  theme = chosen
  keep(THEME, chosen)
  document.documentElement.dataset.theme = chosen
  redraw()
}

function go(): void {
  const hash = location.hash.slice(1)
  if (hash.startsWith('pair=')) {
    // out of the address before anything else: it is in no history then
    history.replaceState(null, '', '#home')
    state.page = 'home'
    void pair(hash.slice('pair='.length))
    return
  }
  const name = hash === 'frames' ? 'browsers' : hash
  const page = PAGES.find(one => one === name) ?? 'home'
  if (page === state.page) return
  if (entered !== null) VIEWS[entered].leave?.()
  entered = null
  state.page = page
  scrollTo(0, 0)
  focusOn('#title')
}

document.documentElement.dataset.theme = theme
drawWith(draw)
addEventListener('hashchange', go)
addEventListener('online', tryAgain)
go()
redraw()
void follow()
followAsked()
