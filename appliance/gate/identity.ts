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
  const file = await open(`${path}.new`, 'w', 0o600)
  try {
    await file.writeFile(pem)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
  return pem
}
