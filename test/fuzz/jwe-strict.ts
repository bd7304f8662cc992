/**
 * Another reader of JWE, which says what may open at all: not how the device reads it, but what docs/formats/foreign.md promises
 * that an opened one was. It is asked after the device opened something.
 */

const MEMBERS = ['protected', 'encrypted_key', 'iv', 'ciphertext', 'tag', 'aad', 'header', 'recipients']
const SHOWN = ['alg', 'enc', 'epk', 'apu', 'apv', 'kid', 'clv', 'crit', 'typ', 'cty']
const BESIDE = ['alg', 'epk', 'apu', 'apv', 'kid']
const ALGORITHMS = ['ECDH-ES', 'ECDH-ES+A256KW', 'RSA-OAEP-256']

type Json = Record<string, unknown>

/**
 * @returns the place that it is bound to; `null` for none
 * @throws Error for what must not open, whatever it is encrypted to
 */
export function placeOf(text: string): { field: unknown; record: unknown } | null {
  const json = text.startsWith('{') ? read(text) : null
  const [first = '', ...others] = text.split('.')
  const recipients = json?.recipients as Json[] | undefined
  const recipient = recipients?.[0] ?? {}
  need(json === null || Object.keys(json).every(name => MEMBERS.includes(name)), 'an unknown member')
  need(recipients === undefined || recipients.length === 1, 'not one recipient')
  const beside = ((recipients ? recipient.header : json?.header) ?? {}) as Json
  const shown = json ? String(json.protected) : first
  const parts = json
    ? [json.encrypted_key, json.iv, json.ciphertext, json.tag, json.aad, recipient.encrypted_key]
    : others
  for (const part of [shown, ...parts])
    need(part === undefined || isCanonical(part), 'a part that is not canonical base64url')
  const bytes = Buffer.from(shown, 'base64url')
  need(Buffer.from(bytes.toString()).equals(bytes), 'a header that is not utf-8')
  const header = read(bytes.toString())
  need(
    Object.keys(header).every(name => SHOWN.includes(name)),
    'a member that is not on the list',
  )
  need(
    Object.keys(beside).every(name => BESIDE.includes(name) && !Object.hasOwn(header, name)),
    'a member where it must not be',
  )
  need(ALGORITHMS.includes(String(header.alg ?? beside.alg)), 'another algorithm')
  need(['A256GCM', 'A128GCM'].includes(header.enc as string), 'another encryption')
  const { crit, clv } = header
  need(crit === undefined || (JSON.stringify(crit) === '["clv"]' && clv !== undefined), 'another crit')
  if (clv === undefined) return null
  const { field, record, ...more } = clv as Json
  need(Object.keys(more).length === 0, 'a place with more to it')
  return { field, record }
}

function need(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(`it opened with ${otherwise}`)
}

function isCanonical(text: unknown): boolean {
  return typeof text === 'string' && Buffer.from(text, 'base64url').toString('base64url') === text
}

/** A string before a colon names a member of the innermost object that is open; names are the same that spell the same. */
function read(text: string): Json {
  const value = JSON.parse(text) as Json
  const open: Set<string>[] = []
  let last = ''
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:]/g)) {
    if (token === '{' || token === '[') open.push(new Set())
    else if (token === '}' || token === ']') open.pop()
    else if (token !== ':') last = token
    else {
      const name = JSON.parse(last) as string
      need(!open.at(-1)!.has(name), 'a member twice')
      open.at(-1)!.add(name)
    }
  }
  return value
}
