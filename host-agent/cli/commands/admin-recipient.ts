/** `claviger admin recipient`: to whom values may be forwarded, so that no workstation sees them. */
import { open } from 'node:fs/promises'
import type { RecipientInfo } from '../../../protocol/api/schemas.ts'
import { assertName, COMMON, type Command, readArguments, type Surroundings, UsageError } from '../command.ts'
import { thumbprint } from '../jwk.ts'
import { type Choice, chooseProfile, withAppliance } from '../session.ts'
import { utcDay } from '../time.ts'

/** Largest file of a public key, in bytes. */
const MAX_FILE = 16_384
/** Members of a JWK that only a private or a shared key has (RFC 7518 §6). */
const SECRET_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']

type Options = Choice & { json?: boolean | undefined }
type Jwk = RecipientInfo['jwk']

export const command: Command = {
  summary: 'say to whom values may be forwarded',
  usage: `claviger admin recipient list
claviger admin recipient add NAME --jwk FILE
claviger admin recipient remove NAME

  --jwk FILE  the recipient's public key for encryption, a JSON Web Key; compare its thumbprint with them
  --as NAME, --at ADDRESS, --json

claviger open --reveal forward --recipient NAME then gives the value encrypted to that key, and nothing else.
`,

  async run(args, surroundings) {
    const { options, positionals } = readArguments(args, { ...COMMON, jwk: { type: 'string' } }, [
      'list, add or remove',
      'NAME?',
    ])
    const [verb, name] = positionals as [verb: string, name?: string]
    if (verb !== 'add' && options.jwk !== undefined) throw new UsageError('--jwk is for add')
    if (verb === 'list' && name === undefined) return list(options, surroundings)
    if (verb === 'list') throw new UsageError('list takes no name')
    if (verb !== 'add' && verb !== 'remove') throw new UsageError(`there is no admin recipient ${verb}`)
    if (name === undefined) throw new UsageError('NAME is missing')
    assertName(name)
    if (verb === 'remove') return remove(name, options, surroundings)
    if (options.jwk === undefined)
      throw new UsageError('--jwk is missing', 'name the file of the public key, as in --jwk processor.json')
    return add(name, await readJwk(options.jwk), options, surroundings)
  },
}

async function list(options: Options, surroundings: Surroundings): Promise<number> {
  const { terminal } = surroundings
  const profile = await chooseProfile(options, surroundings)
  const { recipients } = await withAppliance(profile, surroundings, appliance => appliance.listRecipients())
  if (options.json) terminal.printJson({ recipients })
  else if (recipients.length === 0) terminal.say('there are no recipients yet')
  else
    terminal.table(
      ['recipient', 'key', 'since', 'thumbprint'],
      recipients.map(({ name, jwk, since }) => [name, kindOf(jwk), utcDay(since), thumbprint(jwk) ?? '']),
    )
  return 0
}

async function add(name: string, jwk: Jwk, options: Options, surroundings: Surroundings): Promise<number> {
  const { terminal } = surroundings
  const profile = await chooseProfile(options, surroundings, ['administrator'])
  const recipient = await withAppliance(profile, surroundings, appliance =>
    appliance.addRecipient({ name, jwk }),
  )
  if (options.json) terminal.printJson({ recipient })
  else {
    terminal.print(`values can be forwarded to ${name}`)
    terminal.hint(`compare the thumbprint of its key with them: ${thumbprint(jwk) ?? 'it has none'}`)
  }
  return 0
}

async function remove(name: string, options: Options, surroundings: Surroundings): Promise<number> {
  const { terminal } = surroundings
  const profile = await chooseProfile(options, surroundings, ['administrator'])
  const { removed } = await withAppliance(profile, surroundings, appliance => appliance.removeRecipient(name))
  if (options.json) terminal.printJson({ removed })
  else terminal.print(`nothing is forwarded to ${removed} any more`)
  return 0
}

function kindOf({ kty, crv, kid }: Jwk): string {
  return [kty, crv, kid].filter(part => typeof part === 'string').join(' ')
}

/** @throws UsageError for what is not a public JWK: a private key must not even leave this machine */
async function readJwk(path: string): Promise<Jwk> {
  const hint = 'ask the recipient for its public key as a JSON Web Key'
  let value: unknown
  try {
    value = JSON.parse(await readSmallFile(path))
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(`${path} is not JSON`, hint)
  }
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  if (!isObject || typeof (value as Jwk).kty !== 'string')
    throw new UsageError(`${path} is not a JSON Web Key`, hint)
  if (SECRET_MEMBERS.some(member => Object.hasOwn(value as Jwk, member)))
    throw new UsageError(`${path} holds a private key`, hint)
  return value as Jwk
}

async function readSmallFile(path: string): Promise<string> {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`${path} cannot be read: ${error.code}`)
  })
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_FILE + 1), 0, MAX_FILE + 1)
    if (bytesRead > MAX_FILE) throw new UsageError(`${path} is too large for a public key`)
    return buffer.toString('utf8', 0, bytesRead)
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(`${path} cannot be read: ${(error as NodeJS.ErrnoException).code}`)
  } finally {
    await file.close()
  }
}
