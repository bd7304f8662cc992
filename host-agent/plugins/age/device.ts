/**
 * Opens stanzas with the device that an identity names, as the enrolment that it names. A file takes one short connection; what a person
 * has to do, and what is not where it was, is for {@link ./long-way.ts}.
 */
import { ClavigerError, ERRORS, isErrorCode } from '../../../protocol/api/errors.ts'
import { AGE_FIELD } from '../../../protocol/api/routes.ts'
import type { DecryptAnswer, DecryptBody } from '../../../protocol/api/schemas.ts'
import { fromBase64url } from '../../../protocol/bytes.ts'
import { FILE_KEY_LENGTH } from '../../../protocol/envelope/age/unwrap.ts'
import { deviceSerial } from '../../../protocol/identity/device-serial.ts'
import { ApplianceError, ConnectionError, nextStep } from '../../client/errors.ts'
import { localWires } from '../../client/local-wires.ts'
import { type Profile, profileDirectory, readProfile } from '../../client/profile.ts'
import { connectThin } from '../../client/thin.ts'
import { withTouch } from '../../client/touch.ts'
import { fileWitness } from '../../client/witness-file.ts'
import type { AgeIdentity } from './identity-string.ts'
import type { Opener } from './identity-v1.ts'
import { recordOf } from './record.ts'

/** Whoever runs age. */
export interface Person {
  say(message: string): Promise<void>
  /** @returns `null` where there is nobody to ask */
  secret(prompt: string): Promise<string | null>
}

/** A way to ask the device of an enrolment. */
export type Asking = (body: DecryptBody) => Promise<DecryptAnswer>

/** Stanzas that are for somebody else, or damaged: nothing tells which. */
const CLOSED: readonly string[] = ['open-failed', 'not-mine']
/** What the long way can mend. */
const LOST: readonly string[] = ['unreachable', 'link-failed']

/** One connection for each enrolment, made when it is needed. */
export function deviceOpener(env: NodeJS.ProcessEnv, person: Person): Opener & { close(): void } {
  const known = new Map<string, Promise<{ profile: Profile; ask: Asking }>>()
  const ended: (() => void)[] = []
  return {
    close: () => {
      for (const end of ended) end()
    },
    async open(identity, stanza) {
      const { enrolment } = identity
      const way = known.get(enrolment) ?? askingAs(enrolment, env, person, ended)
      known.set(enrolment, way)
      const { profile, ask } = await way
      if (deviceSerial(fromBase64url(profile.device)!) !== identity.serial)
        throw new ConnectionError('bad-profile', `${enrolment} is enrolled with another device`, {
          hint: `the identity is for the device ${identity.serial}`,
        })
      return fileKeyOf(await ask(bodyOf(identity, stanza)))
    },
  }
}

async function askingAs(
  enrolment: string,
  env: NodeJS.ProcessEnv,
  person: Person,
  ended: (() => void)[],
): Promise<{ profile: Profile; ask: Asking }> {
  const directory = profileDirectory(env)
  const profile = await readProfile(directory, enrolment)
  const witness = fileWitness(directory, enrolment)
  const longWay = async () => {
    const { connectLong } = await import('./long-way.ts')
    const connected = await connectLong(profile, env, person, witness)
    ended.push(connected.close)
    return connected
  }
  let long: ReturnType<typeof longWay> | undefined
  const short = async () => {
    const [address] = profile.addresses
    if (address === undefined) return null
    const appliance = await connectThin(profile, await localWires(env)(address), witness)
    ended.push(appliance.close)
    return appliance
  }
  let first: ReturnType<typeof short> | undefined
  const ask = async (body: DecryptBody) => {
    if (!long)
      try {
        first ??= short()
        const appliance = await first
        const watched = { watchAll: async (...told: Watching) => (await longWay()).watchAll(...told) }
        const say = (text: string) => void person.say(text).catch(() => {})
        if (appliance) return await withTouch(watched, say, () => appliance.decrypt(body))
      } catch (error) {
        if (!isMendable(error)) throw error
      }
    long ??= longWay()
    return (await long).decrypt(body)
  }
  return { profile, ask }
}

type Watching = Parameters<Parameters<typeof withTouch>[0]['watchAll']>

function isMendable(error: unknown): boolean {
  if (error instanceof ApplianceError) return error.state === 'locked'
  return error instanceof ClavigerError && LOST.includes(error.code)
}

function bodyOf({ key, version, purpose }: AgeIdentity, stanza: string): DecryptBody {
  const context = { field: AGE_FIELD, record: recordOf(stanza) }
  const item = { ciphertext: stanza, key: `${key}@${version}`, context, encoding: 'base64url' as const }
  return { purpose, items: [item] }
}

/** @returns `null` where it does not open. @throws ClavigerError */
function fileKeyOf({ results }: DecryptAnswer): Uint8Array | null {
  const { value, error } = results[0] ?? {}
  if (error && CLOSED.includes(error.code)) return null
  if (error) throw refusal(error.code, error.free)
  const fileKey = typeof value === 'string' ? fromBase64url(value) : null
  if (fileKey?.length !== FILE_KEY_LENGTH)
    throw new ConnectionError('bad-response', 'the device did not answer with a file key')
  return fileKey
}

function refusal(code: string, free: number | undefined): ClavigerError {
  if (!isErrorCode(code))
    return new ConnectionError('bad-response', `the device refused with an unknown code: ${code}`)
  const hint = nextStep(code, { free })
  return new ClavigerError(code, ERRORS[code].title, hint ? { hint } : {})
}
