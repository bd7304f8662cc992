/** `claviger pkcs11`: a PKCS#11 token for each purpose, for applications that speak through p11-kit. docs/pkcs11.md. */
import { dirname, join } from 'node:path'
import { contextInfo, isName } from '../../../protocol/envelope/context.ts'
import { profileDirectory } from '../../client/profile.ts'
import { agentSocket } from '../../client/tunnel.ts'
import { fileWitness } from '../../client/witness-file.ts'
import { House } from '../../plugins/pkcs11/house.ts'
import { servePkcs11 } from '../../plugins/pkcs11/server.ts'
import { assertName, COMMON, type Command, readArguments, UsageError } from '../command.ts'
import { chooseProfile, connectHere } from '../session.ts'

/** An application waits no longer for a device that is not there, ms. */
const PATIENCE = { retryFor: 2000 }

export const command: Command = {
  summary: 'serve a PKCS#11 token for each purpose to applications of this user',
  usage: `claviger pkcs11 [--purpose P]… [--socket PATH] [--as NAME] [--at ADDRESS]

  --purpose P    a token that is there even while the device is locked; those of the grants come by themselves
  --socket PATH  where applications find it, instead of the directory of the agent's socket

Runs until it is ended. Applications load p11-kit-client.so and find it by P11_KIT_SERVER_ADDRESS, which it prints.
`,

  async run(args, surroundings) {
    const { options } = readArguments(
      args,
      {
        as: COMMON.as,
        at: COMMON.at,
        purpose: { type: 'string', multiple: true },
        socket: { type: 'string' },
      },
      [],
    )
    const { terminal, env } = surroundings
    if (process.platform === 'win32')
      throw new UsageError('p11-kit has no sockets on Windows', 'run it on Linux or macOS')
    for (const purpose of options.purpose ?? []) assertName(purpose)
    const profile = await chooseProfile(options, surroundings, ['operator'])
    const path = options.socket ?? join(dirname(agentSocket(env)), 'pkcs11.sock')
    const served = await servePkcs11(
      path,
      new House({
        profile,
        connect: () => connectHere(profile, surroundings, { patience: PATIENCE }),
        witness: fileWitness(profileDirectory(env), profile.name),
        purposes: [...new Set(options.purpose)],
      }),
    )
    terminal.print(`export P11_KIT_SERVER_ADDRESS=unix:path=${encodeURI(path)}`)
    terminal.say(`tokens of ${profile.name} are served until this ends`)
    await untilEnded()
    await served.close()
    return 0
  },
}

/** `claviger pkcs11 label`: the label of RSA-OAEP that stands for a place. */
export const labelCommand: Command = {
  summary: 'print the label of RSA-OAEP that binds a value to its place, in hexadecimal',
  usage: `claviger pkcs11 label KEY FIELD [RECORD] [--as NAME] [--json]

What is encrypted with this label for an imported key that is bound to contexts opens at this place alone.
`,

  async run(args, surroundings) {
    const { options, positionals } = readArguments(args, { as: COMMON.as, json: COMMON.json }, [
      'KEY',
      'FIELD',
      'RECORD?',
    ])
    const [key, field, record = ''] = positionals
    if (![key, field].every(isName))
      throw new UsageError('KEY and FIELD are names', 'as in: orders card.number')
    const { namespace } = await chooseProfile(options, surroundings)
    const label = Buffer.from(contextInfo({ namespace, key, field, record })).toString('hex')
    if (options.json) surroundings.terminal.printJson({ label })
    else surroundings.terminal.print(label)
    return 0
  },
}

function untilEnded(): Promise<void> {
  return new Promise(resolve => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve())
  })
}
