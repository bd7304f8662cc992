/** The acts of the demo. Each does the real thing, checks what came of it, and returns what there is to tell. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ClavigerError } from '../../../protocol/api/errors.ts'
import type { DecryptBody } from '../../../protocol/api/schemas.ts'
import { fromBase64url } from '../../../protocol/bytes.ts'
import type { Appliance } from '../../client/appliance.ts'
import { makeCard } from '../../client/card.ts'
import { connectProfile, enrol, provision } from '../../client/connect.ts'
import { administratorCredentials } from '../../client/identity.ts'
import { type Profile, writeProfile } from '../../client/profile.ts'
import { fileWitness } from '../../client/witness-file.ts'
import { exportLog } from '../audit/export.ts'
import type { DemoDevice } from './device.ts'
import { type CustomerRow, FIELDS, plaintextOf, recordOf, type Shop } from './shop.ts'

/** Where the demo keeps what it makes. */
export interface Stage {
  /** The appliance's data directory. */
  data: string
  /** The profiles: `CLAVIGER_HOME` of the commands to try next. */
  home: string
}

export const DEMO_PASSPHRASE = 'correct horse battery staple'
export const DEMO_PIN = '2468'
export const KEY = 'orders'

/** Something did not come out as the demo claims: a bug, told as one. */
class DemoError extends Error {}

function expect(condition: unknown, claim: string): asserts condition {
  if (!condition) throw new DemoError(`the demo expected that ${claim}`)
}

/** What flashing a card does: half of the claim onto the card, half onto the administrator's machine. */
export async function flashCard(stage: Stage): Promise<Profile> {
  await mkdir(stage.data, { recursive: true, mode: 0o700 })
  const { provisionJson, profile } = makeCard('owner', 'demo device')
  await writeFile(join(stage.data, 'provision.json'), provisionJson)
  return profile
}

/** Provisions the device and makes the key. Returns the administrator's profile and the public key. */
export async function takeOwnership(stage: Stage, device: DemoDevice, card: Profile) {
  const owner = await provision({ ...card, addresses: [device.lan] }, DEMO_PASSPHRASE)
  await writeProfile(stage.home, owner)
  const admin = await connectProfile(owner)
  try {
    const { versions } = await admin.createKey(KEY)
    return { owner, publicKey: versions[0]!.publicKey }
  } finally {
    await admin.close()
  }
}

/** What a workstation may see: kinds of fields, each for one purpose. */
export const GRANTS = {
  office: [{ fields: ['address.*'], purposes: ['ship'] }],
  till: [{ fields: ['card.number'], purposes: ['charge'] }],
  desk: [
    { fields: ['card.number'], purposes: ['charge'] },
    { fields: ['address.*'], purposes: ['ship'] },
    { fields: ['phone.*'], purposes: ['contact'] },
  ],
} as const

/** Different records that a workstation may open in a day. */
const RECORDS_A_DAY = 100

/** Invites and enrols one workstation over its own wire, and grants it what it needs and nothing else. */
export async function enrolWorkstation(
  stage: Stage,
  owner: Profile,
  name: keyof typeof GRANTS,
  address: string,
): Promise<Profile> {
  const admin = await connectProfile(owner)
  try {
    const { secret, expires } = await admin.invite({ name, role: 'operator', validFor: 600 })
    const invitation = {
      addresses: [address],
      device: fromBase64url(owner.device)!,
      namespace: 'default',
      name,
      role: 'operator',
      secret: fromBase64url(secret)!,
      expires,
    }
    const profile = await enrol({ invitation, pin: DEMO_PIN })
    await writeProfile(stage.home, profile)
    for (const { fields, purposes } of GRANTS[name])
      await admin.addGrant({
        agent: name,
        key: KEY,
        fields: [...fields],
        purposes: [...purposes],
        reveal: ['full'],
        budgets: [{ per: 'day', records: RECORDS_A_DAY, operations: null, alarm: false }],
        hours: null,
      })
    return profile
  } finally {
    await admin.close()
  }
}

const bodyOf = (rows: CustomerRow[], column: 'card' | 'address', purpose: string): DecryptBody => ({
  purpose,
  items: rows.map(row => ({
    ciphertext: row[column],
    context: { field: FIELDS[column], record: recordOf(row.id) },
    ref: String(row.id),
  })),
})

/** Opens one column of every customer, and compares it with what was sealed. */
export async function openColumn(
  appliance: Appliance,
  rows: CustomerRow[],
  column: 'card' | 'address',
  purpose: string,
): Promise<{ values: string[]; ms: number }> {
  const started = performance.now()
  const { results } = await appliance.decrypt(bodyOf(rows, column, purpose))
  const ms = performance.now() - started
  const values = results.map(({ value }) => value ?? '')
  expect(
    rows.every(({ id }, i) => values[i] === plaintextOf(id)[column]),
    `every ${column} opens to what was sealed`,
  )
  return { values, ms }
}

/** A stranger makes a certificate of the same form and tries. Returns the code it was refused with. */
export async function knockAsStranger(till: Profile): Promise<string> {
  const { key, certificate } = administratorCredentials('default', till.name)
  const stranger = await connectProfile({ ...till, key, certificate })
  try {
    await stranger.status()
  } catch (error) {
    if (error instanceof ClavigerError) return error.code
    throw error
  } finally {
    await stranger.close()
  }
  throw new DemoError('the demo expected that a stranger is refused')
}

/** Somebody with write access to the database puts one customer's card into another's row. Returns the code. */
export async function openSwappedRow(till: Appliance, [first, second]: CustomerRow[]): Promise<string> {
  const { results } = await till.decrypt(bodyOf([{ ...second!, card: first!.card }], 'card', 'charge'))
  const code = results[0]?.error?.code
  expect(code, 'a card in the wrong row does not open')
  return code
}

/** The same workstation asks for a purpose that nobody granted. Returns the code. */
export async function askForAnotherPurpose(till: Appliance, [first]: CustomerRow[]): Promise<string> {
  const { results } = await till.decrypt(bodyOf([first!], 'card', 'marketing'))
  const code = results[0]?.error?.code
  expect(code, 'a card is not opened for a purpose that nobody granted')
  return code
}

/** The owner fetches the log and checks it against what the device signed. Returns how many entries it has. */
export async function verifyTheLog(stage: Stage, owner: Profile): Promise<number> {
  const appliance = await connectProfile(owner, { witness: fileWitness(stage.home, owner.name) })
  try {
    const directory = join(stage.home, 'log')
    const progress = () => ({ update: () => {}, end: () => {} })
    const { size } = await exportLog({ appliance, logKey: owner.logKey!, directory, progress })
    return size
  } finally {
    await appliance.close()
  }
}

/** Kills the gate in the middle of many requests. Every one must be answered, by a keeper that was never locked. */
export async function killTheGate(device: DemoDevice, till: Appliance, rows: CustomerRow[]) {
  const body = bodyOf(rows, 'card', 'charge')
  const keeper = device.pidOf('keeper')
  const gate = device.pidOf('gate')
  let answered = 0
  const requests = Array.from({ length: 40 }, async () => {
    const { results } = await till.decrypt(body)
    expect(
      results.every(({ value }, i) => value === plaintextOf(rows[i]!.id).card),
      'no answer is wrong',
    )
    answered++
  })
  const started = performance.now()
  process.kill(gate, 'SIGKILL')
  await Promise.all(requests)
  const ms = performance.now() - started
  expect((await till.status()).state === 'operational', 'the keeper stays operational')
  expect(
    device.pidOf('keeper') === keeper && device.pidOf('gate') !== gate,
    'only the gate was started again',
  )
  return { answered, ms }
}

/** What a thief who copies the database reads: the first rows, as they are. */
export function stolenRows(shop: Shop): CustomerRow[] {
  return shop.customers().slice(0, 4)
}
