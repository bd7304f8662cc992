/** `claviger age identity`: what age is given with `-i` to open files with a key of the device. docs/age.md. */
import { fromBase64url } from '../../../protocol/bytes.ts'
import { ageRecipient } from '../../../protocol/envelope/age/recipient.ts'
import { parsePublicKey } from '../../../protocol/envelope/token.ts'
import { deviceSerial } from '../../../protocol/identity/device-serial.ts'
import { DEFAULT_PURPOSE, formatIdentity } from '../../plugins/age/identity-string.ts'
import { assertName, COMMON, type Command, readArguments, UsageError } from '../command.ts'
import { chooseProfile, withAppliance } from '../session.ts'

const OPTIONS = { ...COMMON, purpose: { type: 'string' } } as const

/** Of one version of a key. */
interface Printed {
  kid: string
  recipient: string
  identity: string
}

export const command: Command = {
  summary: 'the identity and the recipient for age of a key that is for files',
  usage: `claviger age identity KEY [--purpose PURPOSE] [--as NAME] [--at ADDRESS] [--json]

  KEY        made with claviger admin key create KEY --files
  --purpose  for which files are opened, as the grant names it; ${DEFAULT_PURPOSE} unless told
  --as NAME  the enrolment that opens, an operator's

Prints a file for age: one identity for each version of the key that still opens, newest first.

  claviger age identity files > files.txt
  age -e -i files.txt books.csv > books.csv.age
  age -d -i files.txt books.csv.age

An identity is no secret: it opens nothing without the enrolment on this machine. To encrypt elsewhere, give age the
recipient in the comment above it: age -r age1….
`,

  async run(args, surroundings) {
    const { options, positionals } = readArguments(args, OPTIONS, ['KEY'])
    const [name] = positionals
    assertName(name)
    const purpose = options.purpose ?? DEFAULT_PURPOSE
    if (options.purpose !== undefined) assertName(purpose)
    const profile = await chooseProfile(options, surroundings, ['operator'])
    if (profile.role !== 'operator')
      throw new UsageError(
        `${profile.name} is an ${profile.role}, who opens nothing`,
        'name the enrolment of an operator with --as',
      )
    const key = await withAppliance(profile, surroundings, appliance => appliance.showKey(name))
    if (key.use !== 'files')
      throw new UsageError(
        `${name} is not for files`,
        'one that is: claviger admin key create NAME --files; what a key is for never changes',
      )
    const serial = deviceSerial(fromBase64url(profile.device)!)
    const printed = key.versions
      .filter(({ opens }) => opens)
      .reverse()
      .map(({ version, publicKey }): Printed => {
        const { suite, bytes } = parsePublicKey(publicKey)
        const at = { serial, enrolment: profile.name, key: name, version, purpose, suite, publicKey: bytes }
        return {
          kid: `${name}@${version}`,
          recipient: ageRecipient(suite, bytes),
          identity: formatIdentity(at),
        }
      })
    const { terminal } = surroundings
    if (options.json) terminal.printJson({ identities: printed })
    else
      for (const { kid, recipient, identity } of printed) {
        terminal.print(`# ${kid} of the device ${serial}, opened by ${profile.name} for ${purpose}`)
        terminal.print(`# recipient: ${recipient}`)
        terminal.print(identity)
      }
    if (printed.length === 0) terminal.say(`no version of ${name} opens`)
    return printed.length > 0 ? 0 : 1
  },
}
