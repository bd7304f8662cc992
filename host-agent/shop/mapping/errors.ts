/** What can be wrong with the mapping of a shop's database (docs/shop-database.md). */
import { ClavigerError } from '../../../protocol/api/errors.ts'

/** Code `bad-mapping`. The message begins with the place in the file, such as `tables.customers.sealed.phone`. */
export class MappingError extends ClavigerError {
  constructor(at: string, what: string, hint?: string, cause?: unknown) {
    super('bad-mapping', at === '' ? what : `${at}: ${what}`, { ...(hint ? { hint } : {}), cause })
  }
}
