/** Versions of this machine's programs that decide about bytes. */
import { runBytes } from '../run.ts'

const TOOLS: [name: string, args: string[]][] = [
  ['mksquashfs', ['-version']],
  ['zstd', ['--version']],
  ['gzip', ['--version']],
]

export async function toolVersions(): Promise<Record<string, string>> {
  const versions: Record<string, string> = { node: process.version }
  for (const [name, args] of TOOLS) {
    // some end with a status that is not 0 after telling it
    const text = await runBytes('sh', ['-c', `${name} ${args.join(' ')} 2>&1 || true`])
    versions[name] = /\d+\.\d+(?:\.\d+)?(?:-[\w.]+)?/.exec(text.toString('utf8'))?.[0] ?? 'unknown'
  }
  return versions
}
