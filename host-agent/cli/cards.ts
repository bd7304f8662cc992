/** The administrator's half of a new card: who can provision the device, checked, made, and kept on this machine. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { administratorName, type Card, makeCard } from '../client/card.ts'
import {
  listProfiles,
  type Profile,
  profileDirectory,
  RESERVED_NAME,
  readProfile,
  writeProfile,
} from '../client/profile.ts'
import { assertName, UsageError } from './command.ts'

const NAMESPACE = /^[a-z0-9][a-z0-9-]{0,31}$/
const MAX_NAMESPACES = 64

/** What commands that make a card take, besides `--as`. */
export const CARD_OPTIONS = {
  device: { type: 'string' },
  namespace: { type: 'string', multiple: true },
} as const

/** Their values. */
export interface CardChoice {
  /** Name of the first administrator. */
  as?: string | undefined
  device?: string | undefined
  namespace?: string[] | undefined
}

/** The usage of these options. */
export const CARD_USAGE = `  --as NAME           name of the first administrator (default owner)
  --device NAME       name of the device, for people (default claviger)
  --namespace NAME    a shop of its own on the device, with keys, passphrase and log of its own; may be given
                      several times (default: one, named default). Its administrator is owner-NAME
`

/**
 * Makes both halves of a card, and keeps the one that stays here.
 *
 * @throws UsageError before anything is made
 */
export async function prepareCard(
  { as: administrator = 'owner', device = 'claviger', namespace: namespaces = ['default'] }: CardChoice,
  env: NodeJS.ProcessEnv,
): Promise<Card> {
  checkNamespaces(namespaces)
  const directory = profileDirectory(env)
  const present = await listProfiles(directory)
  for (const name of namespaces.map(namespace => administratorName(administrator, namespace))) {
    assertName(name)
    if (name === RESERVED_NAME) throw new UsageError(`no enrolment can be called ${RESERVED_NAME}`)
    if (present.includes(name))
      throw new UsageError(
        `this machine has an enrolment ${name} already`,
        `choose another name with --as${await leftover(directory, name)}`,
      )
  }
  const card = makeCard(administrator, device, namespaces)
  for (const profile of card.profiles) await writeProfile(directory, profile)
  return card
}

/** Takes back what {@link prepareCard} kept, for a card that did not come about. */
export async function discardCard({ profiles }: Card, env: NodeJS.ProcessEnv): Promise<void> {
  for (const { name } of profiles) await rm(join(profileDirectory(env), `${name}.json`))
}

/** The commands that come after the device has booted, one for each namespace. */
export function nextCommands(profiles: readonly Profile[]): string[] {
  return profiles.map(({ name }) =>
    profiles.length > 1 ? `claviger provision --at ADDRESS --as ${name}` : 'claviger provision --at ADDRESS',
  )
}

/** What a person may do with the enrolment of a card that was never used. */
async function leftover(directory: string, name: string): Promise<string> {
  const profile = await readProfile(directory, name).catch(() => null)
  return profile?.claim === undefined
    ? ''
    : `; or remove ${join(directory, `${name}.json`)}, if the card that it was made for is lost`
}

function checkNamespaces(namespaces: readonly string[]): void {
  for (const namespace of namespaces)
    if (!NAMESPACE.test(namespace))
      throw new UsageError(
        `${namespace} cannot be a namespace`,
        'a namespace has 1 to 32 of a-z, 0-9 and hyphen, and starts with a letter or digit',
      )
  const twice = namespaces.find((name, i) => namespaces.indexOf(name) !== i)
  if (twice !== undefined) throw new UsageError(`the namespace ${twice} is given twice`)
  if (namespaces.length > MAX_NAMESPACES)
    throw new UsageError(`there are more than ${MAX_NAMESPACES} namespaces`)
}
