/** `claviger admin key`: make, list, show and rotate keys. Only public halves are ever shown. */

import { type KeyInfo, SUITES } from '../../../protocol/api/schemas.ts'
import type { Appliance } from '../../client/appliance.ts'
import { assertName, COMMON, type Command, readArguments, UsageError } from '../command.ts'
import { chooseProfile, withAppliance } from '../session.ts'

const VERBS = {
  list: async (appliance: Appliance) => (await appliance.listKeys()).keys,
  create: async (appliance: Appliance, name: string, suite: KeyInfo['suite']) => [
    await appliance.createKey(name, suite),
  ],
  show: async (appliance: Appliance, name: string) => [await appliance.showKey(name)],
  rotate: async (appliance: Appliance, name: string) => [await appliance.rotateKey(name)],
}

export const command: Command = {
  summary: 'make, list, show and rotate keys',
  usage: `claviger admin key list
claviger admin key create NAME [--suite x|p|q]
claviger admin key show NAME
claviger admin key rotate NAME

  --suite   x: X25519 (default), p: P-256, q: ML-KEM-768 with X25519, against quantum computers
  --public  print only the current public key, for the shop's server
  --as NAME, --at ADDRESS, --json
`,

  async run(args, surroundings) {
    const { options, positionals } = readArguments(
      args,
      { ...COMMON, suite: { type: 'string', default: 'x' }, public: { type: 'boolean' } },
      ['list, create, show or rotate', 'NAME?'],
    )
    const [verb, name] = positionals as [verb: string, name?: string]
    if (!Object.hasOwn(VERBS, verb)) throw new UsageError(`there is no admin key ${verb}`)
    if ((verb === 'list') !== (name === undefined))
      throw new UsageError(verb === 'list' ? 'list takes no name' : 'NAME is missing')
    if (name !== undefined) assertName(name)
    const suite = SUITES.find(letter => letter === options.suite)
    if (!suite) throw new UsageError(`there is no suite ${options.suite}`, 'the suites are x, p and q')
    const { terminal } = surroundings
    const profile = await chooseProfile(
      options,
      surroundings,
      verb === 'create' || verb === 'rotate' ? ['administrator'] : undefined,
    )
    const keys = await withAppliance(profile, appliance =>
      VERBS[verb as keyof typeof VERBS](appliance, name ?? '', suite),
    )
    if (options.json) terminal.printJson({ keys })
    else if (options.public) for (const { versions } of keys) terminal.print(versions.at(-1)!.publicKey)
    else if (keys.length === 0) terminal.say('there are no keys yet')
    else
      terminal.table(
        ['key', 'version', 'made', 'public key'],
        keys.flatMap(key =>
          key.versions.map(({ version, created, publicKey }) => [
            key.name,
            String(version),
            day(created),
            publicKey,
          ]),
        ),
      )
    return 0
  },
}

function day(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 10)
}
