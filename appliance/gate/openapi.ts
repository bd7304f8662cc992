/** `npm run openapi`: writes `docs/openapi.json` (OpenAPI 3.1) from the table of routes and their schemas. */
import { writeFile } from 'node:fs/promises'
import { ERRORS, type ErrorCode } from '../../protocol/api/errors.ts'
import { ANY_ROUTE, problemsOf } from '../../protocol/api/route-problems.ts'
import { ROUTES, type Route, type RouteName } from '../../protocol/api/routes.ts'
import { Problem, SCHEMAS } from '../../protocol/api/schemas.ts'
import { VERSION } from '../version.ts'

/** What an answer is, where it is not JSON. */
const MEDIA: { [name in RouteName]?: string } = { metrics: 'text/plain', events: 'text/event-stream' }

/** What every route may answer with, by status. */
const SHARED = byStatus(ANY_ROUTE)

/** The document as a value; equal tables give equal documents. */
export function openapi(): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const [name, route] of Object.entries(ROUTES) as [RouteName, Route][]) {
    const path = route.path.replace(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(name, route) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Claviger appliance',
      version: VERSION,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      description:
        'The same routes over LAN HTTPS and over the serial link. TLS 1.3 with a client certificate that the appliance issued; `x-roles` and `x-states` say who may call a route and when.',
    },
    servers: [{ url: 'https://appliance:8443' }],
    paths,
    components: {
      schemas: { Problem: plain(Problem) },
      responses: Object.fromEntries([...SHARED].map(([status, of]) => [status, problem(status, of)])),
      securitySchemes: { certificate: { type: 'mutualTLS' } },
    },
    security: [{ certificate: [] }],
  }
}

function operation(name: RouteName, { path, roles, states, summary }: Route): Record<string, unknown> {
  const { body, params, answer } = SCHEMAS[name]
  const names = [...path.matchAll(/:(\w+)/g)].map(([, parameter]) => parameter!)
  const properties = (params as { properties?: Record<string, unknown> } | undefined)?.properties ?? {}
  return {
    operationId: name,
    summary,
    'x-roles': roles,
    'x-states': states,
    ...(names.length > 0
      ? {
          parameters: names.map(name => ({
            name,
            in: 'path',
            required: true,
            schema: plain(properties[name]),
          })),
        }
      : {}),
    ...(body
      ? { requestBody: { required: true, content: { 'application/json': { schema: plain(body) } } } }
      : {}),
    responses: {
      200: {
        description: 'done',
        content: { [MEDIA[name] ?? 'application/json']: { schema: plain(answer) } },
      },
      ...problems(problemsOf(name)),
    },
  }
}

/** One response for each status of the given codes; those that many routes share are referred to. */
function problems(codes: readonly ErrorCode[]): Record<string, unknown> {
  return Object.fromEntries(
    [...byStatus(codes)].map(([status, of]) => {
      const isShared = String(of) === String(SHARED.get(status))
      return [status, isShared ? { $ref: `#/components/responses/${status}` } : problem(status, of)]
    }),
  )
}

/** A response with these codes and no other. */
function problem(status: number, of: readonly ErrorCode[]): Record<string, unknown> {
  const exact = { properties: { status: { const: status }, code: { enum: of } } }
  return {
    description: of.map(code => `\`${code}\`: ${ERRORS[code].title}`).join('; '),
    content: {
      'application/problem+json': {
        schema: { allOf: [{ $ref: '#/components/schemas/Problem' }, exact] },
      },
    },
  }
}

function byStatus(codes: readonly ErrorCode[]): Map<number, ErrorCode[]> {
  return Map.groupBy(codes, code => ERRORS[code].status)
}

/** A schema without what only TypeBox needs. */
function plain(schema: unknown): unknown {
  return JSON.parse(JSON.stringify(schema))
}

if (import.meta.main) {
  const file = new URL('../../docs/openapi.json', import.meta.url)
  await writeFile(file, `${JSON.stringify(openapi(), null, 2)}\n`)
}
