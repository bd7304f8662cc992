/**
 * Two appliances that hold the same key, for what several workers do. No product makes such a pair: the data of one that was stopped is
 * copied, and each has workstations of its own, whose witnesses know one log alone.
 */
import { cpSync } from 'node:fs'
import { writeProfile } from '../../../host-agent/client/profile.ts'
import type { GrantBody } from '../../../protocol/api/schemas.ts'
import {
  flashCard,
  PASSPHRASE,
  type Processes,
  startProcesses,
  temporaryDirectory,
} from '../../support/appliance.ts'

/** Purposes of the operator `mover`: without a budget, and each with one of {@link LITTLE} records a day. */
export const ROTATE = 'rotate'
export const LITTLE_PURPOSES = ['little-one', 'little-other'] as const
export const LITTLE = 300

export interface Twin {
  readonly processes: Processes
  /** Folder of the enrolments: `mover`, an operator that may rewrap and open. */
  readonly home: string
}

export interface Twins {
  readonly twins: readonly [Twin, Twin]
  /** The public key of each version. */
  readonly publicKeys: readonly string[]
  stop(): Promise<void>
}

/** @param versions - of the key `orders` */
export async function startTwins(versions: number, parent?: string): Promise<Twins> {
  const folders = await Promise.all(Array.from({ length: 4 }, () => temporaryDirectory(parent)))
  const [data, copy, ...homes] = folders.map(({ path }) => path) as [string, string, string, string]
  const card = await flashCard(data, '')
  const first = await startProcesses(data)
  await first.appliance.provision(card)
  const admin = await first.appliance.connect(first.appliance.admin)
  let key = await admin.createKey('orders')
  for (let version = 2; version <= versions; version++) key = await admin.rotateKey('orders')
  const mover = await first.appliance.enrol('mover', 'operator')
  const grant = (purpose: string, budgets: GrantBody['budgets'], reveal: GrantBody['reveal']) =>
    admin.addGrant({
      agent: 'mover',
      key: 'orders',
      fields: ['*'],
      purposes: [purpose],
      reveal,
      budgets,
      hours: null,
    })
  await grant(ROTATE, [], ['rewrap'])
  for (const purpose of LITTLE_PURPOSES)
    await grant(purpose, [{ per: 'day', records: LITTLE, operations: null, alarm: false }], ['rewrap'])
  await grant('look', [], ['full'])
  const profile = first.appliance.admin
  await first.appliance.close()
  await first.stop()
  cpSync(data, copy, { recursive: true, filter: source => !source.endsWith('/run') })
  const start = async (data: string, home: string): Promise<Twin> => {
    const processes = await startProcesses(data)
    const { appliance } = processes
    appliance.admin = { ...profile, addresses: appliance.addresses }
    await (await appliance.connect(appliance.admin)).unlock({ passphrase: PASSPHRASE })
    await writeProfile(home, { ...mover, addresses: appliance.addresses })
    return { processes, home }
  }
  const twins = [await start(data, homes[0]!), await start(copy, homes[1]!)] as const
  return {
    twins,
    publicKeys: key.versions.map(({ publicKey }) => publicKey),
    async stop() {
      for (const { processes } of twins) {
        await processes.appliance.close()
        await processes.stop()
      }
      await Promise.all(folders.map(folder => folder.remove()))
    },
  }
}
