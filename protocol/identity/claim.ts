/**
 * The claim: how a freshly flashed device and its first administrator recognise each other.
 *
 * The card holds the administrator's certificate and a claim secret (32 bytes). The device made its own key on first
 * boot, so nobody can know its pin yet; in its first answer it proves that it holds the claim secret, over that pin.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'

const LABEL = 'claviger/claim/v1'

/** HMAC-SHA256 of the device's pin under the claim secret, 32 bytes. */
export function claimProof(claim: Uint8Array, devicePin: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac('sha256', claim).update(LABEL).update(devicePin).digest())
}

/** True when `proof` was made with this claim secret for the device of this pin. */
export function verifyClaim(claim: Uint8Array, devicePin: Uint8Array, proof: Uint8Array): boolean {
  const expected = claimProof(claim, devicePin)
  return proof.length === expected.length && timingSafeEqual(proof, expected)
}
