/** A keyring of GnuPG with an agent of its own, which ends with it. */
import { spawnSync } from 'node:child_process'
import { chmod } from 'node:fs/promises'
import { temporaryDirectory } from '../support/appliance.ts'

const PASSPHRASE = '246810'
const RSA = ['Key-Type: RSA', 'Key-Length: 2048', 'Subkey-Type: RSA', 'Subkey-Length: 2048']
const CURVE = ['Key-Type: eddsa', 'Key-Curve: ed25519', 'Subkey-Type: ecdh', 'Subkey-Curve: cv25519']

/** What each key is called, and how it is kept: on the disk as it is, or encrypted with a passphrase that the agent remembers. */
export const KEYS = [
  { user: 'rsa', name: 'RSA-2048', parameters: RSA, isLocked: false },
  { user: 'curve', name: 'cv25519', parameters: CURVE, isLocked: false },
  { user: 'locked', name: 'cv25519, passphrase cached', parameters: CURVE, isLocked: true },
] as const

export interface Keyring {
  /** And opens it once, so that the agent has been told the passphrase. */
  encrypt(user: string, plain: string, sealed: string): void
  /** Arguments of gpg that print what is in a file, and ask nobody for a passphrase. */
  decrypt(sealed: string): string[]
}

/** Makes {@link KEYS}. Their directory has a short path, because the agent's socket is in it. */
export async function withKeyring<T>(use: (keyring: Keyring) => Promise<T>): Promise<T> {
  const directory = await temporaryDirectory()
  await chmod(directory.path, 0o700)
  const common = ['--homedir', directory.path, '--batch', '--quiet', '--trust-model', 'always']
  const decrypt = (sealed: string) => [...common, '--pinentry-mode', 'error', '--decrypt', sealed]
  const gpg = (args: string[], input = '') => {
    const { status, stderr } = spawnSync('gpg', [...common, ...args], { input, encoding: 'utf8' })
    if (status !== 0) throw new Error(`gpg: ${stderr}`)
  }
  try {
    for (const { user, parameters, isLocked } of KEYS) {
      const lock = isLocked ? `Passphrase: ${PASSPHRASE}` : '%no-protection'
      const lines = [...parameters, lock, `Name-Real: ${user} bench`, 'Expire-Date: 0', '%commit', '']
      gpg(['--pinentry-mode', 'loopback', '--gen-key'], lines.join('\n'))
    }
    return await use({
      encrypt: (user, plain, sealed) => {
        gpg(['--encrypt', '--recipient', `${user} bench`, '--output', sealed, plain])
        gpg(['--pinentry-mode', 'loopback', '--passphrase', PASSPHRASE, '--decrypt', sealed])
      },
      decrypt,
    })
  } finally {
    spawnSync('gpgconf', ['--homedir', directory.path, '--kill', 'gpg-agent'])
    await directory.remove()
  }
}
