/** `claviger admin key import`: the private key that a shop used before, handed to the device once. */
import { LEGACY_PADDINGS } from '../../../protocol/api/routes.ts'
import type { KeyInfo } from '../../../protocol/api/schemas.ts'
import { checkPadding, type LegacyForm } from '../../../protocol/envelope/legacy.ts'
import { LEGACY_CHARSETS } from '../../../protocol/envelope/legacy-charset.ts'
import { checkForm } from '../../../protocol/envelope/legacy-payload.ts'
import { handIn } from '../../client/hand-in.ts'
import { type Surroundings, UsageError } from '../command.ts'
import { type Choice, chooseProfile, withAppliance } from '../session.ts'
import { readKeyFile } from './key-file.ts'

/** Separators that are hard to type. */
const SEPARATORS: Record<string, string> = { tab: '\t', newline: '\n', space: ' ' }
const MAX_LABEL = 255

export interface ImportOptions extends Choice {
  file?: string | undefined
  payload?: string | undefined
  separator?: string | undefined
  padding?: string | undefined
  label?: string | undefined
  bound?: boolean | undefined
  charset?: string | undefined
  'passphrase-fd'?: string | undefined
  json?: boolean | undefined
}

/** @throws UsageError; ClavigerError `bad-key` */
export async function importKey(
  name: string,
  options: ImportOptions,
  surroundings: Surroundings,
): Promise<number> {
  const { file, json } = options
  if (file === undefined)
    throw new UsageError('--file is missing', 'name the file of the private key, as in --file private.pem')
  const form = readForm(options)
  const { terminal } = surroundings
  const profile = await chooseProfile(options, surroundings, ['administrator'])
  const read = await readKeyFile(file, options['passphrase-fd'], surroundings)
  if (read.isWeak)
    terminal.say(`a key of ${read.bits} bits is weak: whoever has the old rows may be able to break it`)
  const key = await withAppliance(profile, surroundings, appliance =>
    handIn(appliance, profile, { name, ...form }, read.pkcs8),
  )
  if (json) terminal.printJson({ key })
  else {
    terminal.print(`${name}: ${legacyKind(key)}, for payloads of ${form.fields.map(spell).join(', ')}`)
    terminal.hint(
      `allow sealing again: claviger admin grant add AGENT --key ${name} --reveal rewrap --target KEY …`,
    )
    terminal.hint(`then destroy ${file} and every copy of it: with it, the old rows are open`)
  }
  return 0
}

const spell = (field: string) => field || '- (dropped)'

/** `RSA 2048, legacy`. */
export function legacyKind({ legacy }: Pick<KeyInfo, 'legacy'>): string {
  return `RSA ${legacy?.bits}, legacy`
}

function readForm(options: ImportOptions): LegacyForm {
  const { payload, separator = 'tab', padding = 'pkcs1', label, bound, charset = 'utf-8' } = options
  const found = LEGACY_PADDINGS.find(known => known === padding)
  if (!found)
    throw new UsageError(`there is no padding ${padding}`, `it is one of ${LEGACY_PADDINGS.join(', ')}`)
  if (bound && (found === 'pkcs1' || label !== undefined))
    throw new UsageError('--bound is for OAEP without --label', 'say --padding oaep-sha256, or oaep')
  if (label !== undefined && found === 'pkcs1')
    throw new UsageError('--label is for OAEP', 'leave it out, or say --padding oaep')
  if (label !== undefined && (label === '' || label.length > MAX_LABEL))
    throw new UsageError(`--label takes 1 to ${MAX_LABEL} characters`)
  const set = LEGACY_CHARSETS.find(known => known === charset.toLowerCase())
  if (!set)
    throw new UsageError(`there is no charset ${charset}`, `it is one of ${LEGACY_CHARSETS.join(', ')}`)
  if (payload === undefined)
    throw new UsageError(
      '--payload is missing',
      'name the parts in their order, - for one that is dropped, as in --payload=-,card.number,-,card.expiry',
    )
  const fields = payload.split(',').map(part => (part.trim() === '-' ? '' : part.trim()))
  const form = { separator: SEPARATORS[separator] ?? separator, fields }
  try {
    checkForm(form)
    checkPadding({ padding: found, ...form, ...(bound ? { bound } : {}) })
  } catch (error) {
    throw new UsageError(
      `--payload: ${(error as Error).message}`,
      'what must not be kept, such as a card verification code, is written as - and dropped',
    )
  }
  return {
    padding: found,
    ...form,
    ...(label === undefined ? {} : { label }),
    ...(bound ? { bound } : {}),
    ...(set === 'utf-8' ? {} : { charset: set }),
  }
}
