/** A shop that was taken over: pages at its origin that hold the agent's frame and do what they like around it. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** See the head of this file. */
export interface HostilePages {
  /** Port on 127.0.0.1; names of this machine lead there too. */
  readonly port: number
  /** What is asked for anywhere from now on: `agent` is the frame's whole address. */
  page(html: string): void
  /** Addresses that were asked for: what an attacker would have carried away. */
  readonly asked: string[]
  stop(): Promise<void>
}

/** Without any rule for the browser. */
export async function servePages(): Promise<HostilePages> {
  let body = ''
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(body)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    page: html => {
      body = html
    },
    asked,
    stop: async () => {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

/** What a page tries to learn of a frame by script; everything that it got, as text. Runs in the hostile page. */
export const SNOOP = `
(async () => {
  const frame = document.querySelector('iframe')
  const got = {}
  const attempt = (name, work) => { try { got[name] = String(work()) } catch (error) { got[name] = error.name } }
  attempt('contentDocument', () => frame.contentDocument)
  attempt('document', () => frame.contentWindow.document)
  attempt('location', () => frame.contentWindow.location.href)
  attempt('name', () => frame.contentWindow.name)
  attempt('localStorage', () => frame.contentWindow.localStorage)
  attempt('origin', () => frame.contentWindow.origin)
  got.frames = frame.contentWindow.length
  got.size = [frame.clientWidth, frame.clientHeight].join('x')
  got.timings = performance.getEntriesByType('resource').filter(({ name }) => name.includes('/field'))
    .map(({ transferSize, encodedBodySize, decodedBodySize, responseStatus, serverTiming }) =>
      [transferSize, encodedBodySize, decodedBodySize, responseStatus, serverTiming.length])
  const messages = []
  addEventListener('message', event => messages.push(JSON.stringify(event.data)))
  for (const text of ['reveal', { claviger: 'reveal' }, { type: 'value' }, { claviger: 'ready' }])
    frame.contentWindow.postMessage(text, '*')
  await new Promise(resolve => setTimeout(resolve, 300))
  got.messages = messages
  return got
})()`
