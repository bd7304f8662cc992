/** Keys and bytes that are the same in every process, so that the same seed gives the same inputs. */
import { hash } from 'node:crypto'
import type { SealedKey } from '../../appliance/keeper/sealed-state.ts'
import type { KeyUse } from '../../protocol/api/routes.ts'
import { FIELD_SUITES } from '../../protocol/envelope/suites.ts'
import { importRaw, pkcs8Of } from '../protocol/envelope-keys.ts'

/** 32 bytes that look random. */
export function fixedBytes(name: string): Uint8Array {
  return new Uint8Array(hash('sha256', `fuzz ${name}`, 'buffer'))
}

/** Its newest version is 2; `minimum` is the lowest that opens. */
export function fixedKey(name: string, suite: 'x' | 'p' | 'q', use: KeyUse, minimum = 1): SealedKey {
  const { kem } = FIELD_SUITES[suite]
  const versions = [1, 2].map(version => ({
    version,
    created: 1,
    pkcs8: pkcs8Of(kem, fixedBytes(`${name}@${version}`)),
  }))
  return { name, suite, use, minimum, versions }
}

/** The public half of a version of a {@link fixedKey}. */
export function publicOf(name: string, suite: 'x' | 'p', version = 2): Uint8Array {
  return importRaw(FIELD_SUITES[suite].kem, fixedBytes(`${name}@${version}`)).publicKey
}
