/** What every answer of the page says to the browser about itself. */

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  // the sheet of labels: a document that the page made of an answer, held in a sandbox without scripts
  'frame-src blob:',
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
  'trusted-types lit-html',
]

/** Of anything: nobody else may embed, cache or guess at it. */
const COMMON = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy':
    'camera=(), microphone=(), geolocation=(), usb=(), serial=(), hid=(), payment=(), clipboard-read=()',
}

/** Headers of an answer by name. */
export type Headers = { readonly [name: string]: string }

/** @param ancestor - origin of the only page that may hold it in a frame; `null`: none */
export function documentHeaders(ancestor: string | null): Headers {
  return {
    ...COMMON,
    'content-security-policy': [...POLICY, `frame-ancestors ${ancestor ?? "'none'"}`].join('; '),
    ...(ancestor === null ? { 'cross-origin-opener-policy': 'same-origin' } : {}),
    'content-type': 'text/html; charset=utf-8',
  }
}

/** Of a sentence that has to be readable in the frame of a page that may not have one: it does nothing and can do nothing. */
export const REFUSAL_HEADERS: Headers = {
  ...COMMON,
  'content-security-policy': "default-src 'none'; sandbox; frame-ancestors *",
  'content-type': 'text/html; charset=utf-8',
}

/** Of scripts, styles and answers. */
export function contentHeaders(type: string): Headers {
  return {
    ...COMMON,
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'content-type': type,
  }
}
