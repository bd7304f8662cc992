/** `claviger admin key canary`: a token that nobody has a reason to open. */
import { randomInt } from 'node:crypto'
import { placeFault } from '../../shop/opening/cells.ts'
import { type Surroundings, UsageError } from '../command.ts'
import { decoyCard } from '../decoy.ts'
import { checkField } from '../rows/mapping.ts'
import { type Choice, chooseProfile, withAppliance } from '../session.ts'

/** Longest decoy, in characters. */
const MAX_DECOY = 4096

export interface CanaryOptions extends Choice {
  field?: string | undefined
  record?: string | undefined
  value?: string | undefined
  json?: boolean | undefined
}

/** @throws UsageError */
export async function canary(
  key: string,
  options: CanaryOptions,
  surroundings: Surroundings,
): Promise<number> {
  const { field, record } = options
  if (field === undefined)
    throw new UsageError('--field is missing', 'name the column it goes into, as in --field card.number')
  checkField(field)
  if (record === undefined)
    throw new UsageError('--record is missing', 'name the row it goes into, as in --record customers/1042')
  if (placeFault(field, record)) throw new UsageError('--record takes at most 255 bytes')
  const value = options.value ?? decoyOf(field)
  if (value.length === 0 || value.length > MAX_DECOY)
    throw new UsageError(`--value takes 1 to ${MAX_DECOY} characters`)
  const { terminal } = surroundings
  const profile = await chooseProfile(options, surroundings, ['administrator'])
  const { token } = await withAppliance(profile, surroundings, appliance =>
    appliance.makeCanary(key, { field, record, value }),
  )
  if (options.json) terminal.printJson({ token, field, record, value })
  else {
    terminal.print(token)
    terminal.say(`opening it locks the device down; its decoy is ${terminal.tame(value)}`)
    terminal.hint(`put it into the column ${field} of the row ${record}, a customer who does not exist`)
  }
  return 0
}

function decoyOf(field: string): string {
  if (field === 'card.number' || field.startsWith('card.number.')) return decoyCard(() => randomInt(10))
  throw new UsageError(`there is no made-up value for ${field}`, 'give a decoy that looks real with --value')
}
