/** The committed OpenAPI document is the one that the table and the schemas give. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { openapi } from '../../appliance/gate/openapi.ts'
import { ROUTES } from '../../protocol/api/routes.ts'

t.test(
  'When a route or a schema changes, then docs/openapi.json must be written anew (npm run openapi)',
  async t => {
    const committed = JSON.parse(readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8'))
    t.same(committed, JSON.parse(JSON.stringify(openapi())))
  },
)

t.test('When a route is in the table, then the document names it with its roles and states', async t => {
  const { paths } = openapi() as {
    paths: Record<string, Record<string, { operationId: string; 'x-roles': unknown }>>
  }
  const operations = Object.values(paths).flatMap(path => Object.values(path))
  t.same(operations.map(({ operationId }) => operationId).sort(), Object.keys(ROUTES).sort())
  for (const operation of operations) t.ok(Array.isArray(operation['x-roles']))
})

t.test('When another program reads the document, then it is valid OpenAPI 3.1', async t => {
  const { Validator } = await import('@seriousme/openapi-schema-validator')
  const result = await new Validator().validate(JSON.parse(JSON.stringify(openapi())))
  t.ok(result.valid, JSON.stringify(result.errors ?? []))
})
