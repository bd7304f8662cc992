/** The source `appliance`: a connected device, which decides, writes down and opens by itself. */
import type { Appliance } from '../appliance.ts'
import { type KeySource, SourceError } from './source.ts'

/** @param appliance - connected as an operator; closed with the source */
export function applianceSource(
  appliance: Pick<Appliance, 'listKeys' | 'decrypt' | 'rewrap' | 'close'>,
): KeySource {
  return {
    kind: 'appliance',
    listKeys: async () => (await appliance.listKeys()).keys,
    decrypt: body => appliance.decrypt(body),
    rewrap: async (body, under) => {
      if (under !== undefined)
        throw new SourceError('bad-key', 'an appliance seals only under keys of its own', {
          hint: 'leave it out, or name a key of the appliance as target',
        })
      return appliance.rewrap(body)
    },
    close: () => appliance.close(),
  }
}
