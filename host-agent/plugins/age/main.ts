/** `age-plugin-claviger`: what age starts for an identity of ours. docs/age.md. */
import { isMachine, runMachine } from './machines.ts'

const USAGE = `age-plugin-claviger is started by age, for identities that begin with AGE-PLUGIN-CLAVIGER-1

  claviger age identity KEY > FILE   makes one
  age -d -i FILE SECRET.age          opens what was encrypted to it
`

async function main(args: readonly string[]): Promise<number> {
  const [first = ''] = args
  if (first === '--version') {
    const { VERSION } = await import('../../version.ts')
    process.stdout.write(`age-plugin-claviger ${VERSION}\n`)
    return 0
  }
  const [, name] = /^--age-plugin=(.*)$/.exec(first) ?? []
  if (name === undefined) {
    process.stderr.write(USAGE)
    return first === '--help' ? 0 : 2
  }
  if (!isMachine(name)) {
    process.stderr.write(`age-plugin-claviger: there is no state machine ${name} here\n`)
    return 2
  }
  const fault = await runMachine(name, process.stdin, bytes => process.stdout.write(bytes))
  if (fault === null) return 0
  process.stderr.write(`age-plugin-claviger: ${fault}\n`)
  return 1
}

// age that went away reads no answer.
process.stdout.on('error', () => process.exit(1))
const status = await main(process.argv.slice(2))
// A kept connection would hold the process, and age waits for its end.
process.exit(status)
