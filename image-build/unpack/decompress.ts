/** Decompression by the programs that Debian itself uses: xz for indices, archives and kernel modules. */
import { ImageError } from '../errors.ts'
import { runBytes } from '../run.ts'

/** @throws ImageError where the bytes are not those of an .xz file */
export async function xzDecompress(packed: Uint8Array): Promise<Buffer> {
  return runBytes('xz', ['--decompress', '--stdout', '--single-stream'], packed).catch(error => {
    throw new ImageError(`not an .xz file: ${(error as Error).message}`, { cause: error })
  })
}
