/**
 * The schemas of bodies and answers as plain TypeScript. Their types are computed by typebox; whoever uses the library shall see members with
 * their limits and units, and need no typebox for it.
 */
import {
  GRANTED,
  KEY_USES,
  LEGACY_PADDINGS,
  REVEALS,
  ROLES,
  ROUTES,
  type RouteName,
  STATES,
  TIERS,
} from '../../../protocol/api/routes.ts'
import * as schemas from '../../../protocol/api/schemas.ts'

/** What is read of a schema: JSON Schema, as far as ours go. */
interface Schema {
  type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean' | 'null'
  properties?: Record<string, Schema>
  patternProperties?: Record<string, Schema>
  required?: readonly string[]
  items?: Schema
  anyOf?: readonly Schema[]
  enum?: readonly string[]
  description?: string
  pattern?: string
  minimum?: number
  maximum?: number
  maxLength?: number
  minItems?: number
  maxItems?: number
}

/** Lists of words that have a name of their own in `routes.ts`. */
const WORDS = new Map<string, string>(
  Object.entries({
    Granted: GRANTED,
    KeyUse: KEY_USES,
    LegacyPadding: LEGACY_PADDINGS,
    Reveal: REVEALS,
    Role: ROLES,
    State: STATES,
    Tier: TIERS,
  }).map(([name, words]) => [words.join(), name]),
)

const part = (schema: object, ...path: string[]): Schema =>
  path.reduce((inner, step) => (inner as Record<string, object>)[step]!, schema)

/** Parts of schemas whose types have names, and what they are. */
const PARTS: Readonly<Record<string, [schema: Schema, doc: string]>> = {
  DecryptItem: [part(schemas.DecryptBody, 'properties', 'items', 'items'), 'One field to open'],
  DecryptResult: [part(schemas.DecryptAnswer, 'properties', 'results', 'items'), 'What became of one field'],
  RewrapItem: [part(schemas.RewrapBody, 'properties', 'items', 'items'), 'One field to seal again'],
  RewrapResult: [part(schemas.RewrapAnswer, 'properties', 'results', 'items'), 'What became of one field'],
  KeyVersion: [part(schemas.KeyInfo, 'properties', 'versions', 'items'), 'One version of a key'],
  GrantBudget: [part(schemas.GrantBody, 'properties', 'budgets', 'items'), 'How much a grant lets through'],
  GrantHours: [part(schemas.GrantBody, 'properties', 'hours', 'anyOf', '0'), 'When a grant holds'],
}

const BASE64URL = '^[A-Za-z0-9_-]+$'

/** The text of `protocol/api/schemas.ts` without its values. */
export function schemaTypes(): string {
  const parts = Object.entries(PARTS).map(([name, [schema]]) => [name, schema] as const)
  const named = new Map<Schema, string>(
    Object.entries({ ...schemas, ...Object.fromEntries(parts) }).flatMap(([name, value]) =>
      typeof value === 'object' && ('type' in value || 'anyOf' in value) ? [[value as Schema, name]] : [],
    ),
  )
  const types = [...named].map(([schema, name]) => {
    const text = typeOf(schema, '', inner => (inner === schema ? undefined : named.get(inner)))
    const declared = schema.properties ? `interface ${name} ${text}` : `type ${name} = ${text}`
    return `${comment(docOf(name, schema), '')}export ${declared}\n`
  })
  return `import type { ${[...WORDS.values()].join(', ')} } from './routes.ts'\n\n${types.join('\n')}`
}

/** What a type is for, by the routes that have it, and what its schema says. */
function docOf(name: string, schema: Schema): string {
  const uses = Object.entries(schemas.SCHEMAS).flatMap(([route, { body, answer }]) => {
    const { method, path } = ROUTES[route as RouteName]
    const use = (what: string) => `${what} of \`${method} ${path}\``
    return [...(body === schema ? [use('body')] : []), ...(answer === schema ? [use('answer')] : [])]
  })
  if (uses.length === 0) uses.push(PARTS[name]?.[1] ?? 'part of answers')
  const [first, ...rest] = [...uses.join(', ')]
  const end = schema.description ? `; ${schema.description}` : ''
  return `${first!.toUpperCase()}${rest.join('')}${end}.`
}

/** @param nameOf - the name of a schema that has one */
function typeOf(schema: Schema, indent: string, nameOf: (schema: Schema) => string | undefined): string {
  const name = nameOf(schema)
  if (name !== undefined) return name
  const inner = (one: Schema) => typeOf(one, indent, nameOf)
  if (schema.anyOf) return schema.anyOf.map(inner).join(' | ')
  if (schema.enum)
    return WORDS.get(schema.enum.join()) ?? schema.enum.map(word => JSON.stringify(word)).join(' | ')
  switch (schema.type) {
    case 'object':
      return schema.properties ? membersOf(schema, indent, nameOf) : recordOf(schema, inner)
    case 'array': {
      const of = inner(schema.items!)
      return / \| /.test(of) && !of.startsWith('{') ? `(${of})[]` : `${of}[]`
    }
    case 'integer':
      return 'number'
    case undefined:
      return 'unknown'
    default:
      return schema.type
  }
}

function recordOf({ patternProperties = {} }: Schema, inner: (schema: Schema) => string): string {
  return `Record<string, ${inner(Object.values(patternProperties)[0]!)}>`
}

function membersOf(
  { properties = {}, required = [] }: Schema,
  indent: string,
  nameOf: (schema: Schema) => string | undefined,
): string {
  const deeper = `${indent}  `
  const members = Object.entries(properties).map(([name, schema]) => {
    const mark = required.includes(name) ? '' : '?'
    return `${comment(limitsOf(schema), deeper)}${deeper}${name}${mark}: ${typeOf(schema, deeper, nameOf)}\n`
  })
  return `{\n${members.join('')}${indent}}`
}

/** What a member is, and what is accepted. */
function limitsOf(schema: Schema): string {
  const { description, minimum, maximum, maxLength, minItems, maxItems, items } = schema
  const isCount = maximum === Number.MAX_SAFE_INTEGER || maximum === 0x7fff_ffff
  const said = [
    description,
    schema.pattern === BASE64URL && !description?.includes('base64url') ? 'base64url' : undefined,
    maxLength === undefined || schema.pattern === BASE64URL
      ? undefined
      : `at most ${count(maxLength)} characters`,
    minimum !== undefined && maximum !== undefined && !isCount
      ? `${count(minimum)} to ${count(maximum)}`
      : undefined,
    maxItems === undefined ? undefined : `${count(minItems ?? 0)} to ${count(maxItems)} of them`,
    items?.description === undefined ? undefined : `each ${items.description}`,
  ]
  return said.filter(text => text !== undefined).join('; ')
}

function count(number: number): string {
  return number.toLocaleString('en')
}

function comment(text: string, indent: string): string {
  return text === '' ? '' : `${indent}/** ${text.replaceAll('*/', '*\\/')} */\n`
}
