/** The device's TLS identity: a P-256 key and a self-signed certificate, made on first boot, pinned by host agents. */
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { selfSigned, spkiPin, toPem } from '../../protocol/identity/certificate.ts'

/** What the gate shows in every TLS handshake. */
export interface DeviceIdentity {
  /** PEM. */
  key: string
  /** PEM. */
  certificate: string
  /** SHA-256 of the SubjectPublicKeyInfo, 32 bytes. */
  pin: Uint8Array
}

/** Reads `device.key` from the directory, or makes it. The certificate is made anew at each start: only the key is pinned. */
export async function loadDeviceIdentity(directory: string): Promise<DeviceIdentity> {
  const path = join(directory, 'device.key')
  const pem = (await readKey(path)) ?? (await makeKey(path))
  const privateKey = createPrivateKey(pem)
  const certificate = selfSigned({ namespace: 'claviger', role: 'device', name: 'appliance' }, privateKey)
  return { key: pem, certificate: toPem(certificate), pin: spkiPin(createPublicKey(privateKey)) }
}

/**
 * The newest certificate of the keeper's authority, kept beside the device's key: with a damaged keystore the keeper
 * cannot name it any more, and agents could not even ask what is wrong.
 */
export class RememberedAuthority {
  readonly #path: string
  #certificate: Uint8Array | null
  #written: Promise<void> = Promise.resolve()

  private constructor(path: string, certificate: Uint8Array | null) {
    this.#path = path
    this.#certificate = certificate
  }

  static async load(directory: string): Promise<RememberedAuthority> {
    const path = join(directory, 'authority.crt')
    const certificate = await readFile(path).catch(() => null)
    return new RememberedAuthority(path, certificate && new Uint8Array(certificate))
  }

  /** DER; `null` before the first provisioning. */
  get certificate(): Uint8Array | null {
    return this.#certificate
  }

  /** Keeps a certificate, unless it is the one that is kept. What goes wrong is told to the journal. */
  keep(certificate: Uint8Array): void {
    if (this.#certificate && Buffer.compare(this.#certificate, certificate) === 0) return
    this.#certificate = certificate
    this.#written = this.#written.then(() =>
      writeWhole(this.#path, certificate).catch(error => {
        process.stderr.write(`claviger-gate: the authority's certificate cannot be kept: ${error.message}\n`)
      }),
    )
  }

  /** Resolves when everything that was kept is on disk. */
  settled(): Promise<void> {
    return this.#written
  }
}

async function readKey(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
}

async function makeKey(path: string): Promise<string> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await writeWhole(path, pem)
  return pem
}

/** Writes a file that is there wholly or not at all. */
async function writeWhole(path: string, contents: string | Uint8Array): Promise<void> {
  const file = await open(`${path}.new`, 'w', 0o600)
  try {
    await file.writeFile(contents)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
}
