/**
 * Whom the page answers: pure rules on the head of a request. docs/formats/page.md, "Who is answered".
 *
 * A foreign site reaches loopback through the person's own browser, so the browser's words (Host, Origin, Sec-Fetch-*) are what keeps
 * it out; the token is what keeps out programs that send any words they like.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { RefusalCode } from './problem.ts'

/** Name of the page's host: an address, since names can be made to lead anywhere (DNS rebinding). */
export const HOST = '127.0.0.1'

/** `http://127.0.0.1:7119`: the only origin of the page. */
export function originOf(port: number): string {
  return `http://${HOST}:${port}`
}

/** What is asked for by whom, before anything else is looked at. */
export function hostFault(
  request: Pick<IncomingMessage, 'headersDistinct' | 'method' | 'url'>,
  port: number,
): null | 'redirect' | 'misdirected' {
  const [host, another] = request.headersDistinct.host ?? []
  if (another !== undefined) return 'misdirected'
  if (host === `${HOST}:${port}`) return null
  const isFront = request.method === 'GET' && request.url === '/'
  return host === `localhost:${port}` && isFront ? 'redirect' : 'misdirected'
}

/** Why a call is not one of the agent's own page; `null` where it is. */
export function callFault(method: string, headers: IncomingHttpHeaders, port: number): RefusalCode | null {
  const { origin } = headers
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin') return 'cross-site'
  if (method === 'POST' ? origin !== originOf(port) : origin !== undefined && origin !== originOf(port))
    return 'cross-site'
  if (method === 'POST' && !/^application\/json(; ?charset=utf-8)?$/i.test(headers['content-type'] ?? ''))
    return 'wrong-type'
  return null
}

/** Whether a frame's document is being put into a frame. A window of its own would have no page around it that vouches for `from`. */
export function isFramed(headers: IncomingHttpHeaders): boolean {
  const destination = headers['sec-fetch-dest']
  return destination === undefined || destination === 'iframe'
}

/** Whether a script or style is for the page itself. */
export function isOwnResource(headers: IncomingHttpHeaders): boolean {
  const site = headers['sec-fetch-site']
  return site === undefined || site === 'same-origin' || site === 'none'
}

/** The token of `Authorization: Bearer …`. */
export function bearerOf({ authorization }: IncomingHttpHeaders): string | null {
  return /^Bearer ([A-Za-z0-9_-]{43})$/.exec(authorization ?? '')?.[1] ?? null
}
