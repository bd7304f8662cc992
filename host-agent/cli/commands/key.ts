/** `claviger key`: keys that are kept without an appliance, in a file or in somebody's memory; and the public keys of any source. */
import { access } from 'node:fs/promises'
import { isSuiteLetter } from '../../../protocol/envelope/suites.ts'
import { changeKeyFile } from '../../client/sources/key-file-disk.ts'
import { createKey, type KeyRing, rotateKey, zeroRing } from '../../client/sources/key-ring.ts'
import { openManual } from '../../client/sources/manual.ts'
import { OwnKeys } from '../../client/sources/own-keys.ts'
import { SourceError, type SourceKey } from '../../client/sources/source.ts'
import { assertName, COMMON, type Command, readArguments, type Surroundings, UsageError } from '../command.ts'
import { chooseSource, promptOf, readSource, SOURCE_OPTIONS, sayRisks, withSource } from '../sources.ts'

const DEFAULT_NAMESPACE = 'default'

const OPTIONS = {
  ...COMMON,
  'passphrase-fd': SOURCE_OPTIONS['passphrase-fd'],
  suite: { type: 'string' },
  namespace: { type: 'string' },
  public: { type: 'boolean' },
} as const

type Options = ReturnType<typeof readOptions>['options']

const readOptions = (args: string[]) =>
  readArguments(args, OPTIONS, ['create, rotate or show', 'SOURCE', 'NAME?'])

export const command: Command = {
  summary: 'keys without an appliance: in a file, or typed; public keys of any source',
  usage: `claviger key create local:FILE NAME [--suite x|p|q] [--namespace NAME]
claviger key rotate local:FILE NAME
claviger key show SOURCE

  SOURCE       local:FILE, manual:NAME, manual:PUBLICKEY, or the name of an enrolment with an appliance
  --suite      x: X25519 (default), p: P-256, q: ML-KEM-768 with X25519, against quantum computers
  --namespace  of a file that is made, or of the key that manual:NAME types; ${DEFAULT_NAMESPACE} unless told
  --public     print only the current public key, for the shop's server
  --passphrase-fd N  read the passphrase from file descriptor N instead of the terminal
  --at ADDRESS, --json

create makes the file where there is none. A key that is typed needs no making: show asks for its passphrase
twice and prints the public key. Neither has budgets, a log or a second factor: docs/key-sources.md.
`,

  async run(args, surroundings) {
    const { options, positionals } = readOptions(args)
    const [verb, source, name] = positionals as [verb: string, source: string, name?: string]
    if (!['create', 'rotate', 'show'].includes(verb)) throw new UsageError(`there is no key ${verb}`)
    if ((verb === 'show') !== (name === undefined))
      throw new UsageError(verb === 'show' ? 'show takes no NAME besides its source' : 'NAME is missing')
    if (options.suite !== undefined && verb !== 'create') throw new UsageError('--suite is for key create')
    if (options.as !== undefined) throw new UsageError('--as is the SOURCE here', 'claviger key show NAME')
    if (options.namespace !== undefined) assertName(options.namespace)
    const keys =
      verb === 'show'
        ? await show(source, options, surroundings)
        : await change(verb, source, name!, options, surroundings)
    const { terminal } = surroundings
    if (options.json) terminal.printJson({ keys })
    else if (options.public) for (const { versions } of keys) terminal.print(versions.at(-1)!.publicKey)
    else
      terminal.table(
        ['key', 'version', 'public key'],
        keys.flatMap(key =>
          key.versions.map(({ version, publicKey }) => [key.name, String(version), publicKey]),
        ),
      )
    return 0
  },
}

async function show(text: string, options: Options, surroundings: Surroundings): Promise<SourceKey[]> {
  const { namespace, at } = options
  const descriptor = options['passphrase-fd']
  const named = readSource(text)
  const isNew = named.kind === 'manual' && named.key.publicKey === undefined
  if (namespace !== undefined && !isNew)
    throw new UsageError('--namespace is for manual:NAME and for key create')
  if (!isNew) {
    const choosing = { source: text, at, 'passphrase-fd': descriptor }
    const chosen = await chooseSource(choosing, surroundings)
    return withSource(chosen, choosing, surroundings, source => source.listKeys())
  }
  // A wrong letter is another key, which nobody would notice before a field does not open: it is typed twice.
  const passphrase = await surroundings.terminal.newSecret(promptOf(named), '--passphrase-fd', descriptor)
  const chosen = { ...named, key: { ...named.key, namespace: namespace ?? named.key.namespace } }
  sayRisks('manual', surroundings)
  const source = await openManual(chosen.key, passphrase)
  const keys = await source.listKeys()
  await source.close()
  surroundings.terminal.hint(
    `open with --source manual:${keys[0]!.versions[0]!.publicKey}: it notices a wrong letter`,
  )
  return keys
}

async function change(
  verb: string,
  source: string,
  name: string,
  options: Options,
  surroundings: Surroundings,
): Promise<SourceKey[]> {
  const { suite = 'x', namespace } = options
  const choice = readSource(source)
  if (choice.kind !== 'local')
    throw new UsageError(
      `key ${verb} takes local:FILE`,
      'an appliance has claviger admin key; a typed key is its passphrase',
    )
  if (options.at !== undefined) throw new UsageError('--at is for an appliance')
  assertName(name)
  if (!isSuiteLetter(suite)) throw new UsageError(`there is no suite ${suite}`, 'the suites are x, p and q')
  if (namespace !== undefined && verb !== 'create') throw new UsageError('--namespace is for key create')
  const { terminal } = surroundings
  const isThere = await access(choice.path).then(
    () => true,
    () => false,
  )
  if (!isThere && verb === 'rotate')
    throw new SourceError('bad-source', `there is no key file ${choice.path}`)
  sayRisks('local', surroundings)
  const ask = isThere ? terminal.secret.bind(terminal) : terminal.newSecret.bind(terminal)
  const passphrase = await ask(promptOf(choice), '--passphrase-fd', options['passphrase-fd'])
  const now = Math.floor(Date.now() / 1000)
  const ring = await changeKeyFile(choice.path, passphrase, old => {
    if (verb === 'create') return withKey(old, namespace, ring => createKey(ring, name, suite, now))
    return withKey(old, namespace, ring => rotateKey(ring, name, now))
  })
  try {
    const keys = await new OwnKeys('local', ring).listKeys()
    return keys.filter(key => key.name === name)
  } finally {
    zeroRing(ring)
  }
}

/** @throws SourceError `bad-source` for another namespace than the file's */
function withKey(
  old: KeyRing | null,
  namespace: string | undefined,
  alter: (ring: KeyRing) => void,
): KeyRing {
  const ring = old ?? { namespace: namespace ?? DEFAULT_NAMESPACE, keys: [] }
  if (namespace !== undefined && ring.namespace !== namespace)
    throw new SourceError('bad-source', `the keys of the file are of the namespace ${ring.namespace}`, {
      hint: 'take a file for each namespace',
    })
  alter(ring)
  return ring
}
