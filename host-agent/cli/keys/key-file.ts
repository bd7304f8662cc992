/** The file of an RSA private key that a shop used before: PEM, with or without a passphrase. */
import { createPrivateKey, type KeyObject } from 'node:crypto'
import { open } from 'node:fs/promises'
import { ClavigerError } from '../../../protocol/api/errors.ts'
import { type Surroundings, UsageError } from '../command.ts'

/** Largest file of a private key, in bytes: PEM of 4,096 bits has 3,272. */
const MAX_FILE = 16_384
const MIN_BITS = 1024
const MAX_BITS = 4096
/** Below it a key is within reach of those who can pay for it (NIST SP 800-131A: disallowed since 2014). */
const WEAK_BELOW = 2048

/** A key as it was read. The caller zeroes `pkcs8`. */
export interface KeyFile {
  pkcs8: Buffer
  bits: number
  isWeak: boolean
}

/**
 * @param descriptor - file descriptor to read the passphrase of an encrypted file from; it is asked for on the terminal otherwise
 * @throws UsageError for a file that cannot be read; ClavigerError `bad-key` for one that is no RSA key of 1,024 to 4,096 bits
 */
export async function readKeyFile(
  path: string,
  descriptor: string | undefined,
  { terminal }: Pick<Surroundings, 'terminal'>,
): Promise<KeyFile> {
  const pem = await readSmallFile(path)
  try {
    const isEncrypted = pem.includes('ENCRYPTED')
    if (!isEncrypted && descriptor !== undefined)
      throw new UsageError(`${path} has no passphrase`, 'leave --passphrase-fd out')
    const passphrase = isEncrypted
      ? await terminal.secret(`passphrase of ${path}`, '--passphrase-fd', descriptor)
      : undefined
    const key = parse(path, pem, passphrase)
    const bits = key.asymmetricKeyDetails?.modulusLength ?? 0
    if (key.asymmetricKeyType !== 'rsa')
      throw new ClavigerError('bad-key', `${path} is not an RSA key for encryption`)
    if (bits < MIN_BITS || bits > MAX_BITS)
      throw new ClavigerError('bad-key', `${path} has ${bits} bits`, {
        hint: `keys of ${MIN_BITS} to ${MAX_BITS} bits can be imported`,
      })
    return { pkcs8: key.export({ type: 'pkcs8', format: 'der' }), bits, isWeak: bits < WEAK_BELOW }
  } finally {
    pem.fill(0)
  }
}

function parse(path: string, pem: Buffer, passphrase: string | undefined): KeyObject {
  try {
    return createPrivateKey({ key: pem, format: 'pem', ...(passphrase === undefined ? {} : { passphrase }) })
  } catch (cause) {
    const hint =
      passphrase === undefined
        ? 'it begins with -----BEGIN RSA PRIVATE KEY----- or -----BEGIN PRIVATE KEY-----; others: openssl pkey -in FILE -out key.pem'
        : 'is the passphrase right? openssl pkey -in FILE -out key.pem takes it off'
    throw new ClavigerError('bad-key', `${path} does not give a private key`, { cause, hint })
  }
}

async function readSmallFile(path: string): Promise<Buffer> {
  const fail = (error: NodeJS.ErrnoException): never => {
    throw new UsageError(`${path} cannot be read: ${error.code}`, 'name the file of the private key, in PEM')
  }
  const file = await open(path).catch(fail)
  const buffer = Buffer.alloc(MAX_FILE + 1)
  try {
    const { bytesRead } = await file.read(buffer, 0, buffer.length).catch(fail)
    if (bytesRead > MAX_FILE) throw new UsageError(`${path} is too large for a private key`)
    return buffer.subarray(0, bytesRead)
  } catch (error) {
    buffer.fill(0)
    throw error
  } finally {
    await file.close()
  }
}
