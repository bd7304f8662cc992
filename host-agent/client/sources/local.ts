/** The source `local`: the keys of an encrypted file on this machine. They are in this process until it is closed. */
import { readKeyFile } from './key-file-disk.ts'
import { zeroRing } from './key-ring.ts'
import { OwnKeys } from './own-keys.ts'
import type { KeySource } from './source.ts'

/** @throws SourceError `bad-source`; KeyFileError `key-file-refused` */
export async function openLocal(path: string, passphrase: string): Promise<KeySource> {
  const ring = await readKeyFile(path, passphrase)
  try {
    return new OwnKeys('local', ring)
  } finally {
    zeroRing(ring)
  }
}
