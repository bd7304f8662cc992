/** What a browser sends to the page, word for word, so that tests can also send what no browser would. */
import { type IncomingHttpHeaders, request } from 'node:http'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PageCalls, PageProblem } from '../../../host-agent/agent/page/api.ts'

/** What came back. */
export interface Answer<T = unknown> {
  status: number
  headers: IncomingHttpHeaders
  text: string
  /** Of JSON. */
  body: T & PageProblem
}

/** What is sent otherwise than a browser would. */
export interface Odd {
  token?: string | undefined
  headers?: { [name: string]: string | undefined }
  /** Instead of JSON of the body. */
  raw?: string | Buffer
}

/** One request. */
export function ask<T>(
  origin: string,
  method: string,
  path: string,
  body: unknown = null,
  { token, headers = {}, raw }: Odd = {},
): Promise<Answer<T>> {
  const { hostname, port, host } = new URL(origin)
  const isPost = method === 'POST'
  const all = {
    host,
    'sec-fetch-site': 'same-origin',
    ...(isPost ? { origin, 'content-type': 'application/json' } : {}),
    ...(token ? { authorization: `Bearer ${token}` } : {}),
    ...headers,
  }
  const sent = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
  return new Promise((resolve, reject) => {
    const asking = request({
      hostname,
      port,
      method,
      path,
      headers: sent as Record<string, string>,
      agent: false,
    })
    asking.once('error', reject)
    asking.once('response', async response => {
      const answer = await text(response).catch(() => '')
      const isJson = response.headers['content-type']?.startsWith('application/json')
      resolve({
        status: response.statusCode!,
        headers: response.headers,
        text: answer,
        body: isJson ? JSON.parse(answer) : {},
      })
    })
    asking.end(isPost ? (raw ?? JSON.stringify(body)) : undefined)
  })
}

type ByPath<P> = Extract<PageCalls[keyof PageCalls], { path: P }>

/** A browser that was let in. */
export function paired(origin: string, token: string) {
  return {
    token,
    get: <P extends PageCalls[keyof PageCalls]['path']>(path: P) =>
      ask<ByPath<P>['answer']>(origin, 'GET', path, null, { token }),
    post: <P extends PageCalls[keyof PageCalls]['path']>(path: P, body: ByPath<P>['body']) =>
      ask<ByPath<P>['answer']>(origin, 'POST', path, body, { token }),
  }
}
export type Paired = ReturnType<typeof paired>

/** Uses up the code of `claviger page`. @param url - `http://…/#pair=CODE` */
export async function pair(url: string): Promise<Paired> {
  const { origin, hash } = new URL(url)
  const { body, status, text } = await ask<{ token: string }>(origin, 'POST', '/api/pair', {
    code: hash.slice('#pair='.length),
  })
  if (status !== 200) throw new Error(text)
  return paired(origin, body.token)
}

/** Bytes as they are; resolves with what came back until the other end closed. */
export async function rawly(origin: string, bytes: string | Buffer): Promise<string> {
  const { hostname, port } = new URL(origin)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => {})
  socket.write(bytes)
  return text(socket).catch(() => '')
}

/** The stream of overviews: every line that came, and a way to wait for one. */
export function events(origin: string, token: string) {
  const { hostname, port, host } = new URL(origin)
  const lines: string[] = []
  let isOver = false
  const asking = request({
    hostname,
    port,
    path: '/api/events',
    agent: false,
    headers: { host, authorization: `Bearer ${token}` },
  })
  asking.on('error', () => {
    isOver = true
  })
  asking.on('response', response => {
    response.on('error', () => {})
    response.once('close', () => {
      isOver = true
    })
    createInterface({ input: response })
      .on('line', line => lines.push(line))
      .on('error', () => {})
  })
  asking.end()
  return {
    lines,
    close: () => asking.destroy(),
    isOver: () => isOver,
    /** The first from `from` on of which `fits` holds. */
    async until<T>(fits: (overview: T) => boolean, from = 0): Promise<T> {
      for (let waited = 0; waited < 20_000; waited += 20) {
        const found = lines
          .slice(from)
          .filter(Boolean)
          .map(line => JSON.parse(line) as T)
          .find(fits)
        if (found) return found
        await sleep(20)
      }
      throw new Error(`it was not told: ${lines.at(-1)}`)
    },
  }
}
