/** Mechanisms on the wire. Clients that offer version 2 write them in another way; docs/formats/pkcs11.md, "Mechanisms". */
import { CKM, CKR, refuse } from '../constants.ts'
import { ABSENT, Malformed, type Reader } from './reader.ts'

/** A mechanism and its parameters. */
export type Mechanism =
  | { readonly type: typeof CKM.RSA_PKCS }
  | {
      readonly type: typeof CKM.RSA_PKCS_OAEP
      readonly hash: number
      readonly mgf: number
      readonly source: number
      readonly label: Uint8Array
    }
  | {
      readonly type: typeof CKM.ECDH1_DERIVE
      readonly kdf: number
      readonly shared: Uint8Array
      readonly point: Uint8Array
    }

/** From which offered version on a byte says whether there are parameters, and those without have nothing. */
const MARKED_SINCE = 2
const NONE = new Uint8Array()

/**
 * Reads one.
 * @param offered - the version that the client offered in its greeting, not the one that was agreed on
 * @returns `null` where an operation is to be cancelled
 * @throws Malformed; Refusal for one that is not spoken here, whose parameters have a length that nobody here knows
 */
export function readMechanism(reader: Reader, offered: number): Mechanism | null {
  const type = reader.uint32()
  if (type === ABSENT) return null
  const isMarked = offered >= MARKED_SINCE
  if (type === CKM.RSA_PKCS) {
    if (!isMarked && reader.bytes() !== null) throw new Malformed('parameters where there are none')
    return { type }
  }
  if (type !== CKM.RSA_PKCS_OAEP && type !== CKM.ECDH1_DERIVE) return refuse(CKR.MECHANISM_INVALID)
  if (isMarked && reader.byte() === 0) return refuse(CKR.MECHANISM_PARAM_INVALID)
  if (type === CKM.RSA_PKCS_OAEP) {
    const [hash, mgf, source] = [reader.ulong(), reader.ulong(), reader.ulong()]
    return { type, hash, mgf, source, label: reader.bytes() ?? NONE }
  }
  const kdf = reader.ulong()
  return { type, kdf, shared: reader.bytes() ?? NONE, point: reader.bytes() ?? NONE }
}
