/** `age-plugin-claviger`: what age starts for an identity of ours. docs/age.md. */
import { Conversation } from './conversation.ts'
import { FramingError } from './framing.ts'

const USAGE = `age-plugin-claviger is started by age, for identities that begin with AGE-PLUGIN-CLAVIGER-1

  claviger age identity KEY > FILE   makes one
  age -d -i FILE SECRET.age          opens what was encrypted to it
`

/** Each state machine is loaded when it is asked for: age starts a process for every file. */
const MACHINES: Readonly<Record<string, (conversation: Conversation) => Promise<void>>> = {
  'identity-v1': async conversation => {
    const { unwrapFileKeys } = await import('./identity-v1.ts')
    const { open } = await opener(conversation)
    await unwrapFileKeys(conversation, { open })
  },
  'recipient-v1': async conversation => {
    const { wrapFileKeys } = await import('./recipient-v1.ts')
    await wrapFileKeys(conversation)
  },
}

async function opener(conversation: Conversation) {
  const { deviceOpener } = await import('./device.ts')
  return deviceOpener(process.env, conversation)
}

async function run(machine: (conversation: Conversation) => Promise<void>): Promise<number> {
  const conversation = new Conversation(process.stdin, bytes => process.stdout.write(bytes))
  try {
    await machine(conversation)
    return 0
  } catch (error) {
    if (error instanceof FramingError) {
      process.stderr.write(`age-plugin-claviger: ${error.message}\n`)
      return 1
    }
    await conversation.fail(['internal'], `this should not have happened: ${(error as Error).name}`)
    await conversation.done()
    return 1
  }
}

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
  const machine = Object.hasOwn(MACHINES, name) ? MACHINES[name] : undefined
  if (machine) return run(machine)
  process.stderr.write(`age-plugin-claviger: there is no state machine ${name} here\n`)
  return 2
}

// age that went away reads no answer.
process.stdout.on('error', () => process.exit(1))
const status = await main(process.argv.slice(2))
// A kept connection would hold the process, and age waits for its end.
process.exit(status)
