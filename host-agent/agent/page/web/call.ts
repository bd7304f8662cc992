/** Calls of the agent. api.ts is the contract. */
import type { PageCalls, PageProblem } from '../api.ts'
import { keep, kept } from './kept.ts'

type Name = keyof PageCalls

const CALLS: { readonly [N in Name]: readonly [PageCalls[N]['method'], PageCalls[N]['path']] } = {
  pair: ['POST', '/api/pair'],
  askFrame: ['POST', '/api/frames/ask'],
  collectFrame: ['POST', '/api/frames/collect'],
  listAsked: ['GET', '/api/frames/asked'],
  answerFrame: ['POST', '/api/frames/answer'],
  listBrowsers: ['GET', '/api/browsers'],
  forgetBrowser: ['POST', '/api/browsers/forget'],
  overview: ['GET', '/api/overview'],
  unlock: ['POST', '/api/unlock'],
  lock: ['POST', '/api/lock'],
  lockdown: ['POST', '/api/lockdown'],
  lift: ['POST', '/api/lift'],
  reveal: ['POST', '/api/reveal'],
  lookUp: ['POST', '/api/look-up'],
  labels: ['POST', '/api/labels'],
  today: ['POST', '/api/today'],
  admin: ['POST', '/api/admin'],
  events: ['GET', '/api/events'],
}

/** Thrown for every answer that is a refusal, and with `agent-gone` where none came. */
export class Refusal extends Error {
  readonly code: string
  readonly hint: string | undefined
  readonly free: string | undefined

  constructor({ code, message, hint, free }: PageProblem) {
    super(message)
    this.code = code
    this.hint = hint
    this.free = free
  }
}

/** Where this browser keeps its token. Frames of each shop have one of their own, also where storage is not partitioned. */
export class TokenStore {
  readonly #name: string

  constructor(from: string | null) {
    this.#name = from === null ? 'claviger-token' : `claviger-token ${from}`
  }

  get(): string | null {
    return kept(this.#name)
  }

  set(token: string | null): void {
    keep(this.#name, token)
  }
}

/** @throws Refusal */
export async function call<N extends Name>(
  name: N,
  body: PageCalls[N]['body'],
  token: string | null,
): Promise<PageCalls[N]['answer']> {
  const response = await send(name, body, token)
  return (await response.json().catch(() => {
    throw gone()
  })) as PageCalls[N]['answer']
}

/** Lines of a call that answers with a stream; `null` for an empty one. @throws Refusal */
export async function* lines<N extends 'events' | 'labels'>(
  name: N,
  body: PageCalls[N]['body'],
  token: string | null,
  signal: AbortSignal,
): AsyncGenerator<PageCalls[N]['answer'] | null> {
  const response = await send(name, body, token, signal)
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw gone()
    })
    const parts = `${rest}${value ?? ''}`.split('\n')
    rest = done ? '' : parts.pop()!
    for (const line of parts) if (line !== '' || !done) yield line === '' ? null : JSON.parse(line)
    if (done) return
  }
}

async function send<N extends Name>(
  name: N,
  body: PageCalls[N]['body'],
  token: string | null,
  signal?: AbortSignal,
): Promise<Response> {
  const [method, path] = CALLS[name]
  const response = await fetch(path, {
    method,
    headers: {
      ...(method === 'POST' ? { 'content-type': 'application/json' } : {}),
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    },
    ...(method === 'POST' ? { body: JSON.stringify(body) } : {}),
    ...(signal ? { signal } : {}),
    cache: 'no-store',
    credentials: 'omit',
    redirect: 'error',
  }).catch(() => {
    throw gone()
  })
  if (response.ok) return response
  throw new Refusal(
    await response.json().catch(() => ({ code: 'internal', message: `status ${response.status}` })),
  )
}

function gone(): Refusal {
  return new Refusal({ code: 'agent-gone', message: 'the agent does not answer' })
}
