/**
 * `GET /v1/events`: server-sent events (WHATWG HTML, "Server-sent events"). Each change of the namespace's state is told
 * at once, so that nobody waits for a device that has forgotten its keys; and how many of its requests wait for somebody to
 * press the button, so that somebody does.
 */
import type { ServerResponse } from 'node:http'
import { ClavigerError } from '../../../protocol/api/errors.ts'
import type { State } from '../../../protocol/api/routes.ts'
import type { Gate } from '../app.ts'

/** Streams that are open at the same time, at most. */
const MAX_STREAMS = 256
/** A comment every so often shows that the stream is alive, and finds those that are not. */
const ALIVE_MS = 20_000

export function eventsRoute({ app, keeper, mount, stateOf }: Gate): void {
  const streams = new Map<ServerResponse, string>()
  const tell = (response: ServerResponse, state: State) =>
    response.write(`event: state\ndata: ${JSON.stringify({ state })}\n\n`)
  app.onState((namespace, state) => {
    for (const [response, of] of streams) if (of === namespace) tell(response, state)
  })
  const touches = new Map<string, number>()
  const tellTouches = (response: ServerResponse, count: number) =>
    response.write(`event: touch\ndata: ${JSON.stringify({ count })}\n\n`)
  app.onTouch((namespace, count) => {
    if (count === (touches.get(namespace) ?? 0)) return
    touches.set(namespace, count)
    for (const [response, of] of streams) if (of === namespace) tellTouches(response, count)
  })
  const timer = setInterval(() => {
    for (const response of streams.keys()) response.write(':\n\n')
  }, ALIVE_MS).unref()
  app.addHook('onClose', async () => {
    clearInterval(timer)
    for (const response of streams.keys()) response.destroy()
  })

  mount('events', async (_request, caller, reply) => {
    await keeper.call('admit', caller, { route: 'events' })
    if (streams.size >= MAX_STREAMS) throw new ClavigerError('too-many-requests')
    reply.hijack()
    const response = reply.raw
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    streams.set(response, caller.namespace)
    response.once('close', () => streams.delete(response))
    tell(response, stateOf(caller.namespace)!)
    const waiting = touches.get(caller.namespace) ?? 0
    if (waiting > 0) tellTouches(response, waiting)
    return reply
  })
}
