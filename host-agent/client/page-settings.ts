/** `"page"` of `settings.json`: where the staff's page is served, and which shops may show its frames. docs/formats/page.md. */
import { plainText } from './usb/text.ts'

/** What a person may decide about the page; everything has a default. */
export interface PageSettings {
  /** TCP port on 127.0.0.1. */
  port: number
  /** Origins whose pages may hold frames of the agent's, such as `https://shop.example`. */
  shops: readonly string[]
  /** Seconds until a revealed value is taken away. */
  clearAfter: number
  /** Path of the mapping of the shop's database, from the directory of the settings. */
  mapping?: string
}

/** What is so unless told. */
export const DEFAULT_PAGE: PageSettings = { port: 7119, shops: [], clearAfter: 30 }

/** Seconds. */
const SHORTEST_CLEAR = 5
const LONGEST_CLEAR = 600
const MOST_SHOPS = 32
const LONGEST_ORIGIN = 300
const LONGEST_PATH = 1024

type Refuse = (what: string, hint: string) => never

/** @param refuse - throws what is wrong */
export function pageSettingsOf(value: unknown, refuse: Refuse): PageSettings {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return refuse('"page" is not an object', 'write { "port": 7119, "shops": ["https://shop.example"] }')
  const { port, shops, clearAfter, mapping, ...others } = value as Record<string, unknown>
  const [unknown] = Object.keys(others)
  if (unknown !== undefined)
    return refuse(
      `"page" has no setting "${plainText(unknown, 32)}"`,
      'there are "port", "shops", "clearAfter" and "mapping"',
    )
  return {
    port: port === undefined ? DEFAULT_PAGE.port : numberOf('port', port, 1, 65_535, refuse),
    shops: shops === undefined ? DEFAULT_PAGE.shops : shopsOf(shops, refuse),
    clearAfter:
      clearAfter === undefined
        ? DEFAULT_PAGE.clearAfter
        : numberOf('clearAfter', clearAfter, SHORTEST_CLEAR, LONGEST_CLEAR, refuse),
    ...(mapping === undefined ? {} : { mapping: pathOf(mapping, refuse) }),
  }
}

function numberOf(name: string, value: unknown, least: number, most: number, refuse: Refuse): number {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most
    ? (value as number)
    : refuse(
        `"page.${name}" is no number from ${least} to ${most}`,
        `write "${name}": ${DEFAULT_PAGE[name as 'port']}`,
      )
}

function shopsOf(value: unknown, refuse: Refuse): string[] {
  const hint = 'write each as "https://shop.example": no path, no slash at the end, no star'
  if (!Array.isArray(value) || value.length > MOST_SHOPS)
    return refuse(`"page.shops" is not a list of at most ${MOST_SHOPS} origins`, hint)
  if (!value.every(isShopOrigin))
    return refuse('"page.shops" has an entry that is not an origin of a shop', hint)
  return [...new Set(value)]
}

/**
 * Whether a text is the origin of a page that may hold frames: HTTPS, or HTTP of this very machine. It goes into a header, where a URL
 * parser would let `;` and `*` through, so its letters are counted out.
 */
export function isShopOrigin(text: unknown): text is string {
  if (typeof text !== 'string' || text.length > LONGEST_ORIGIN) return false
  const isNamed = /^https:\/\/[a-z0-9.-]+(:\d{1,5})?$/.test(text)
  const isHere = /^http:\/\/(127\.0\.0\.1|localhost|[a-z0-9-]+\.localhost)(:\d{1,5})?$/.test(text)
  return (isNamed || isHere) && URL.canParse(text) && new URL(text).origin === text
}

function pathOf(value: unknown, refuse: Refuse): string {
  const isPath =
    typeof value === 'string' && value !== '' && value.length <= LONGEST_PATH && !/\p{C}/u.test(value)
  return isPath
    ? value
    : refuse('"page.mapping" is no path', 'name the file of the mapping: docs/shop-database.md')
}
