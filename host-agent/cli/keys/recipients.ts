/** `claviger admin key recipients`: the public half of a key in the forms that other programs encrypt to. */
import type { KeyInfo } from '../../../protocol/api/schemas.ts'
import { ageRecipient } from '../../../protocol/envelope/age/recipient.ts'
import { type EncryptionJwk, jwkOf, pemOf } from '../../../protocol/envelope/jwk.ts'
import { parsePublicKey } from '../../../protocol/envelope/token.ts'
import type { Appliance } from '../../client/appliance.ts'
import type { Terminal } from '../terminal.ts'

/** Of one version; a form that the key does not open, or that its suite does not have, is missing. */
export interface Recipients {
  /** `orders@3`: what a request calls the version, where the ciphertext does not name it. */
  readonly kid: string
  /** For age: `age1…`, `age1tag1…`, `age1pq1…`. */
  readonly age?: string
  readonly jwk?: EncryptionJwk
  /** SubjectPublicKeyInfo. */
  readonly pem?: string
}

/** @throws ApplianceError `unknown-key` */
export async function recipientsOf(
  appliance: Pick<Appliance, 'showKey' | 'keySet'>,
  name: string,
): Promise<Recipients[]> {
  const key = await appliance.showKey(name)
  const { keys } = await appliance.keySet()
  return key.versions
    .filter(({ opens }) => opens)
    .map(version =>
      ofVersion(
        key,
        version,
        keys.find(({ kid }) => kid === `${name}@${version.version}`),
      ),
    )
}

/** @param listed - as the device's key set has it, which is there where the key opens a JWE */
function ofVersion(
  { name, use, legacy }: KeyInfo,
  { version, publicKey }: KeyInfo['versions'][number],
  listed: object | undefined,
): Recipients {
  const kid = `${name}@${version}`
  const jwk = listed ? { jwk: listed as EncryptionJwk } : {}
  if (legacy) return { kid, ...jwk, pem: publicKey }
  const parsed = parsePublicKey(publicKey)
  if (use === 'files') return { kid, age: ageRecipient(parsed.suite, parsed.bytes) }
  const pem = pemOf(parsed)
  const own = use === 'derive' ? jwkOf(parsed) : null
  return { kid, ...(own ? { jwk: own } : jwk), ...(pem === null ? {} : { pem }) }
}

export function showRecipients(terminal: Terminal, name: string, all: readonly Recipients[]): void {
  for (const { kid, age, jwk, pem } of all) {
    terminal.print(`# ${kid}`)
    if (age) terminal.print(age)
    if (jwk) terminal.print(JSON.stringify(jwk))
    if (pem) terminal.print(pem.trimEnd())
    if (!age && !jwk && !pem)
      terminal.say(`${kid} opens tokens only: claviger admin key show ${name} --public`)
  }
  if (all.length === 0) terminal.say(`no version of ${name} opens`)
}
