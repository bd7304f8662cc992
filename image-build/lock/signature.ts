/** The signature of `InRelease`, checked against Debian's keys by gpgv or sqv. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ImageError } from '../errors.ts'

/** Where the package `debian-archive-keyring` puts it. */
export const KEYRINGS = [
  '/usr/share/keyrings/debian-archive-keyring.pgp',
  '/usr/share/keyrings/debian-archive-keyring.gpg',
]

/**
 * @returns the text that was signed, and nothing around it
 * @throws ImageError where no key of the keyring signed it
 */
export async function signedText(inRelease: Uint8Array, keyring = findKeyring()): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'claviger-release-'))
  try {
    const [input, output] = [join(directory, 'InRelease'), join(directory, 'Release')]
    await writeFile(input, inRelease)
    const complaint = check([
      ['gpgv', ['--keyring', keyring, '--output', output, input]],
      ['sqv', ['--keyring', keyring, '--cleartext', '--output', output, input]],
    ])
    if (complaint !== null)
      throw new ImageError(`the signature of Release does not hold: ${complaint}`, {
        hint: 'the mirror is broken or hostile, or the package debian-archive-keyring is too old',
      })
    return await readFile(output, 'utf8')
  } finally {
    await rm(directory, { recursive: true })
  }
}

function findKeyring(): string {
  const found = KEYRINGS.find(path => existsSync(path))
  if (!found)
    throw new ImageError('there are no keys of Debian on this machine', {
      hint: 'install the package debian-archive-keyring, or name a keyring with --keyring',
    })
  return found
}

/** Runs the first of the programs that is there. */
function check(programs: readonly [string, string[]][]): string | null {
  for (const [program, args] of programs) {
    const { status, stderr, error } = spawnSync(program, args, {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C' },
    })
    if ((error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') continue
    if (error) throw error
    return status === 0 ? null : stderr.trim() || `${program} ended with ${status}`
  }
  throw new ImageError('there is neither gpgv nor sqv', { hint: 'install the package gpgv' })
}
