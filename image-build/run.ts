/** Programs of the building machine, run to their end with an environment that is the same everywhere. */
import { spawn } from 'node:child_process'
import { ImageError } from './errors.ts'

/** The Debian package that has a program, for the hint where it is missing. */
const PACKAGE_OF: Record<string, string> = {
  xz: 'xz-utils',
  zstd: 'zstd',
  'dpkg-deb': 'dpkg',
  mksquashfs: 'squashfs-tools',
  npm: 'npm',
}

/**
 * Nothing of the person's own environment reaches a program that has a part in the image, but for what finds it and where it
 * may put its drafts.
 */
function plainEnvironment(): NodeJS.ProcessEnv {
  const { PATH, TMPDIR, HOME } = process.env
  return {
    PATH: `${PATH}:/usr/sbin:/sbin`,
    TZ: 'UTC',
    LC_ALL: 'C',
    ...(TMPDIR && { TMPDIR }),
    ...(HOME && { HOME }),
  }
}

/** @throws ImageError with what the program complained about */
export function runBytes(
  program: string,
  args: readonly string[],
  input: Uint8Array = new Uint8Array(),
  { env = plainEnvironment(), cwd }: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, cwd, stdio: ['pipe', 'pipe', 'pipe'] })
    const [output, complaint]: [Buffer[], Buffer[]] = [[], []]
    child.stdout.on('data', piece => output.push(piece))
    child.stderr.on('data', piece => complaint.push(piece))
    child.on('error', (error: NodeJS.ErrnoException) => {
      const hint = `install the package ${PACKAGE_OF[program] ?? program}`
      reject(error.code === 'ENOENT' ? new ImageError(`${program} is not on this machine`, { hint }) : error)
    })
    child.on('close', (status, signal) => {
      if (status === 0) return resolve(Buffer.concat(output))
      const said = Buffer.concat(complaint).toString('utf8').trim().split('\n').slice(-5).join('\n')
      reject(new ImageError(`${program} failed (${signal ?? status}): ${said}`))
    })
    // a program that ends early says so itself
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })
}
