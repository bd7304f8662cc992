/** The signature over a manifest: Ed25519 (RFC 8032), detached, base64 with a line's end, beside the manifest as `.sig`. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import { ImageError } from '../errors.ts'

/** A new pair of keys, PEM: PKCS #8 and SPKI. */
export function makeSigningKey(): { privateKey: string; publicKey: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  return {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }) as string,
  }
}

/** @throws ImageError where it is not an Ed25519 key */
export function signManifest(text: string, pem: string): string {
  const key = readKey(() => createPrivateKey(pem))
  return `${sign(null, Buffer.from(text), key).toString('base64')}\n`
}

/** @throws ImageError where the key is none */
export function isSigned(text: string, signature: string, pem: string): boolean {
  const key = readKey(() => createPublicKey(pem))
  return verify(null, Buffer.from(text), key, Buffer.from(signature.trim(), 'base64'))
}

function readKey(read: () => ReturnType<typeof createPublicKey>) {
  try {
    const key = read()
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch (cause) {
    throw new ImageError('this is not a key', { cause, hint: 'make one with "image keygen"' })
  }
  throw new ImageError('this is not an Ed25519 key', { hint: 'make one with "image keygen"' })
}
