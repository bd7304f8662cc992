/** Opens what a browser shows for a moment. */
import { ConnectionError } from '../../client/errors.ts'
import type { RevealAnswer, RevealBody } from './api.ts'
import type { EnrolmentLink } from './link.ts'
import { isoTime } from './problem.ts'

/** @throws ApplianceError, ConnectionError */
export async function reveal(
  { purpose, reason, reveal: how, items }: RevealBody,
  link: EnrolmentLink,
): Promise<RevealAnswer> {
  const appliance = await link.appliance()
  const manner = how === undefined || how === 'full' ? {} : { reveal: how }
  const { results, audit } = await appliance.decrypt({
    purpose,
    ...(reason === undefined ? {} : { reason }),
    items: items.map(item => ({ ...item, ...manner })),
  })
  if (results?.length !== items.length)
    throw new ConnectionError('bad-response', 'the answer does not fit the request')
  return {
    entry: audit.index,
    results: results.map(({ value, encoding, error }) => {
      if (error)
        return { code: error.code, ...(error.free === undefined ? {} : { free: isoTime(error.free) }) }
      // bytes that are no text are nothing that a person could read
      return value === undefined || encoding !== undefined ? { code: 'not-text' } : { value }
    }),
  }
}
