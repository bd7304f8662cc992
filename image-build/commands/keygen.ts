/** `image keygen`: a pair of keys for signing manifests. */
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { ImageError } from '../errors.ts'
import { makeSigningKey } from '../release/signature.ts'

export async function keygen(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { out: { type: 'string', default: 'image-signing' } } })
  const { privateKey, publicKey } = makeSigningKey()
  await writeFile(`${values.out}.key`, privateKey, { flag: 'wx', mode: 0o600 }).catch(error => {
    if (error.code !== 'EEXIST') throw error
    throw new ImageError(`${values.out}.key is there already`, { hint: 'name another file with --out' })
  })
  await writeFile(`${values.out}.pub`, publicKey, { mode: 0o644 })
  process.stdout.write(`${values.out}.key signs images: keep it off the machines that build for tests\n`)
  process.stdout.write(`${values.out}.pub checks them: give it to whoever runs "image verify"\n`)
}
