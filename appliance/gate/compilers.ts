/**
 * What Fastify checks bodies and writes answers with, each made at its first use: compiling the schemas of all routes is a
 * third of a gate's start, and most devices use few routes.
 */
import { AjvCompiler } from '@fastify/ajv-compiler'
import { SerializerSelector } from '@fastify/fast-json-stringify-compiler'
import type { FastifyServerOptions } from 'fastify'

type Compilers = NonNullable<NonNullable<FastifyServerOptions['schemaController']>['compilersFactory']>
type Checker = ((data: unknown) => unknown) & { errors?: unknown }
type Make<T> = (schemas: unknown, options: unknown) => (definition: unknown) => T

/** Fastify's own compilers, put off. */
export const LAZY_COMPILERS = {
  buildValidator: lazy<Checker>(AjvCompiler() as Make<Checker>, check => {
    const checker: Checker = data => {
      const result = check()(data)
      // Ajv leaves them on the function, and that is where Fastify looks
      checker.errors = check().errors
      return result
    }
    return checker
  }),
  buildSerializer: lazy(
    SerializerSelector() as Make<(data: unknown) => string>,
    write => data => write()(data),
  ),
} as Compilers

/** @param stand - makes what stands for a compiled schema until it is used, from a way to get it */
function lazy<T>(make: Make<T>, stand: (get: () => T) => T): Make<T> {
  return (schemas, options) => {
    let compile: ReturnType<Make<T>> | undefined
    return definition => {
      let made: T | undefined
      return stand(() => {
        compile ??= make(schemas, options)
        made ??= compile(definition)
        return made
      })
    }
  }
}
