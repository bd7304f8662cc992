/** Holds every answer of a running gate against the committed OpenAPI document: status, media type, schema, and the codes of problems. */
import { readFileSync } from 'node:fs'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { AjvCompiler } from '@fastify/ajv-compiler'
import { ROUTES, type RouteName } from '../../protocol/api/routes.ts'

type Check = ((value: unknown) => boolean) & { errors?: { instancePath: string; message?: string }[] | null }
interface Response {
  content: Record<string, { schema: object }>
}
interface Operation {
  operationId: RouteName
  responses: Record<string, Response | { $ref: string }>
}

const DOCUMENT = JSON.parse(readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8')) as {
  components: { responses: Record<string, Response> }
  paths: Record<string, Record<string, Operation>>
}
const OPERATIONS = Object.entries(DOCUMENT.paths)
  .flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      // a path without parameters comes before one with them, as in the gate
      parameters: path.split('{').length,
      pattern: new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`),
      operation,
    })),
  )
  .sort((a, b) => a.parameters - b.parameters)

const compile = AjvCompiler()(
  {},
  { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false, strict: false } },
) as unknown as (definition: { schema: object }) => Check

/** What was answered, and what of it the document does not say. */
export class AnswerCheck {
  /** One line for each answer that the document has not; the value itself is not in it. */
  readonly faults = new Set<string>()
  readonly #checks = new Map<object, Check>()
  readonly #seen = new Map<RouteName, Set<number>>()

  /** Looks at all that the server answers from now on. */
  watch(server: Pick<Server, 'prependListener'>): void {
    server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
      const chunks: Buffer[] = []
      const keep = (chunk: unknown) => {
        if (typeof chunk === 'string' || chunk instanceof Uint8Array)
          chunks.push(Buffer.from(chunk as string))
      }
      const { writeHead, write, end } = response
      let type = ''
      response.writeHead = ((...given: unknown[]) => {
        type = String((given.at(-1) as Record<string, unknown>)['content-type'] ?? '')
        return (writeHead as (...given: unknown[]) => ServerResponse).apply(response, given)
      }) as typeof writeHead
      response.write = ((...given: Parameters<typeof write>) => {
        keep(given[0])
        return write.apply(response, given)
      }) as typeof write
      let isChecked = false
      const checkOnce = () => {
        if (isChecked || !response.headersSent) return
        isChecked = true
        type ||= String(response.getHeader('content-type') ?? '')
        this.check(request.method!, request.url!, response.statusCode, type, Buffer.concat(chunks).toString())
      }
      response.end = ((...given: Parameters<typeof end>) => {
        keep(given[0])
        const result = end.apply(response, given)
        checkOnce()
        return result
      }) as typeof end
      // a stream of events ends by being closed
      response.once('close', checkOnce)
    })
  }

  /** Checks one answer. */
  check(method: string, url: string, status: number, type: string, text: string): void {
    const path = url.split('?')[0]!
    const found = OPERATIONS.find(each => each.method === method && each.pattern.test(path))
    // what is no route is not in the document
    if (!found) return
    const { operationId: name, responses } = found.operation
    const media = type.split(';')[0]!
    const response = responses[status]
    const told =
      response && '$ref' in response
        ? DOCUMENT.components.responses[response.$ref.split('/').at(-1)!]
        : response
    const schema = told?.content[media]?.schema
    const code =
      media === 'application/problem+json' ? `, ${(JSON.parse(text) as { code: string }).code}` : ''
    if (!schema) {
      this.faults.add(`${name}: ${status} as ${media}${code} is not in the document`)
      return
    }
    const check =
      this.#checks.get(schema) ?? compile({ schema: { ...schema, components: DOCUMENT.components } })
    this.#checks.set(schema, check)
    if (!check(media.endsWith('json') ? JSON.parse(text) : text))
      for (const { instancePath, message } of check.errors ?? [])
        this.faults.add(`${name}: ${status}${code}: ${instancePath} ${message}`)
    const seen = this.#seen.get(name) ?? new Set()
    this.#seen.set(name, seen.add(status))
  }

  /** Routes of the table that never answered with this status. */
  missing(status: number): RouteName[] {
    return (Object.keys(ROUTES) as RouteName[]).filter(name => !this.#seen.get(name)?.has(status))
  }

  /** How many pairs of route and status were seen. */
  get pairs(): number {
    return [...this.#seen.values()].reduce((sum, statuses) => sum + statuses.size, 0)
  }
}
