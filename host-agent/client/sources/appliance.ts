/** The source `appliance`: a connected device, which decides, writes down and opens by itself. */
import type { Appliance } from '../appliance.ts'
import { closedSource, type KeySource, SourceError } from './source.ts'

/** @param appliance - connected as an operator; closed with the source */
export function applianceSource(
  appliance: Pick<Appliance, 'listKeys' | 'decrypt' | 'rewrap' | 'close'>,
): KeySource {
  let isOpen = true
  // The client connects again by itself whenever it is called.
  const device = () => {
    if (!isOpen) throw closedSource()
    return appliance
  }
  return {
    kind: 'appliance',
    listKeys: async () => (await device().listKeys()).keys,
    decrypt: async body => device().decrypt(body),
    rewrap: async (body, under) => {
      if (under !== undefined)
        throw new SourceError('bad-key', 'an appliance seals only under keys of its own', {
          hint: 'leave it out, or name a key of the appliance as target',
        })
      return device().rewrap(body)
    },
    close: () => {
      isOpen = false
      return appliance.close()
    },
  }
}
