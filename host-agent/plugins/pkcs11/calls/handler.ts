/** What answers a call of an application. */
import type { ArgumentsOf, CallName } from '../wire/calls.ts'
import type { Writer } from '../wire/writer.ts'

/**
 * Answers one call.
 *
 * @param out - where the results go, in the order of the protocol
 * @throws Refusal with the return value
 */
export type Handler<N extends CallName> = (args: ArgumentsOf<N>, out: Writer) => unknown

/** Handlers by the names of their calls. */
export type Handlers<N extends CallName> = { readonly [Name in N]: Handler<Name> }
