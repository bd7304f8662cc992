/** The device's TLS identity: a P-256 key and a self-signed certificate, made on first boot, pinned by host agents. */
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename } from 'node:fs/promises'
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

/**
 * Reads `device.key` from the directory, or makes it. The certificate is made anew at each start: only the key is pinned.
 * `device.pub` beside it is for the set-up of the USB gadget, which needs to know the device and must not hold its key.
 */
export async function loadDeviceIdentity(directory: string): Promise<DeviceIdentity> {
  const path = join(directory, 'device.key')
  const pem = (await readKey(path)) ?? (await makeKey(path))
  const privateKey = createPrivateKey(pem)
  const publicKey = createPublicKey(privateKey)
  await keepPublic(join(directory, 'device.pub'), publicKey.export({ type: 'spki', format: 'pem' }) as string)
  const certificate = selfSigned({ namespace: 'claviger', role: 'device', name: 'appliance' }, privateKey)
  return { key: pem, certificate: toPem(certificate), pin: spkiPin(publicKey) }
}

async function keepPublic(path: string, pem: string): Promise<void> {
  if ((await readKey(path)) !== pem) await writeWhole(path, pem)
}

/**
 * The newest certificate of each namespace's authority, kept beside the device's key: with a damaged keystore the keeper
 * cannot name it any more, and agents could not even ask what is wrong.
 */
export class RememberedAuthorities {
  readonly #directory: string
  readonly #certificates: Map<string, Uint8Array>
  #written: Promise<void> = Promise.resolve()

  private constructor(directory: string, certificates: Map<string, Uint8Array>) {
    this.#directory = directory
    this.#certificates = certificates
  }

  static async load(directory: string): Promise<RememberedAuthorities> {
    const files = await readdir(directory).catch(() => [])
    const certificates = new Map<string, Uint8Array>()
    for (const file of files) {
      const namespace = AUTHORITY_FILE.exec(file)?.[1]
      if (namespace) certificates.set(namespace, new Uint8Array(await readFile(join(directory, file))))
    }
    return new RememberedAuthorities(directory, certificates)
  }

  /** DER; `null` before the namespace was provisioned. */
  certificate(namespace: string): Uint8Array | null {
    return this.#certificates.get(namespace) ?? null
  }

  /** Keeps a certificate, unless it is the one that is kept. What goes wrong is told to the journal. */
  keep(namespace: string, certificate: Uint8Array): void {
    const known = this.#certificates.get(namespace)
    if (known && Buffer.compare(known, certificate) === 0) return
    this.#certificates.set(namespace, certificate)
    const path = join(this.#directory, `authority-${namespace}.crt`)
    this.#written = this.#written.then(() =>
      writeWhole(path, certificate).catch(error => {
        process.stderr.write(`claviger-gate: the authority's certificate cannot be kept: ${error.message}\n`)
      }),
    )
  }

  /** Resolves when everything that was kept is on disk. */
  settled(): Promise<void> {
    return this.#written
  }
}

const AUTHORITY_FILE = /^authority-(.+)\.crt$/

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
export async function writeWhole(path: string, contents: string | Uint8Array): Promise<void> {
  const file = await open(`${path}.new`, 'w', 0o600)
  try {
    await file.writeFile(contents)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
}
