/** An appliance of real processes, whose keys are sealed with and rotated, and somebody who may open everything. */

import type { ChildProcess } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Appliance } from '../../../host-agent/client/appliance.ts'
import { writeProfile } from '../../../host-agent/client/profile.ts'
import { starter } from '../../cli/run.ts'
import { flashCard, type Processes, startProcesses, temporaryDirectory } from '../../support/appliance.ts'
import type { Shop } from '../database/servers.ts'
import { INDEX_KEY, TABLES } from './table.ts'

/** How long a client waits for a gate that was killed, ms. */
const PATIENCE_MS = 20_000

export interface Device {
  readonly processes: Processes
  /** May open everything under the keys that {@link createKey} made. */
  readonly opener: Appliance
  /** @returns the public key of its first version */
  createKey(name: string): Promise<string>
  /** @returns the public key of the newest version */
  rotateKey(name: string): Promise<string>
  /** Starts `claviger shop seal` or `shop rewrap` on the table of the kills. */
  start(work: 'seal' | 'rewrap', shop: Shop, publicKey: string): ChildProcess
  stop(): Promise<void>
}

export async function startDevice(): Promise<Device> {
  const home = await temporaryDirectory()
  const data = await temporaryDirectory()
  const card = await flashCard(data.path, '')
  const processes = await startProcesses(data.path)
  const { appliance } = processes
  await appliance.provision(card)
  const admin = await appliance.connect(appliance.admin)
  await writeProfile(home.path, await appliance.enrol('mover', 'operator'))
  const profile = await appliance.enrol('looker', 'operator')
  const opener = await appliance.connect(profile, { retryFor: PATIENCE_MS })
  const startCommand = starter(home.path)
  const indexKey = join(home.path, 'index.key')
  writeFileSync(indexKey, Buffer.from(INDEX_KEY).toString('hex'))
  let count = 0
  return {
    processes,
    opener,
    async createKey(name) {
      const { versions } = await admin.createKey(name)
      const all = { key: name, fields: ['*'], budgets: [], hours: null }
      await admin.addGrant({ ...all, agent: 'mover', purposes: ['rotate'], reveal: ['rewrap'] })
      await admin.addGrant({ ...all, agent: 'looker', purposes: ['test'], reveal: ['full'] })
      return versions[0]!.publicKey
    },
    rotateKey: async name => (await admin.rotateKey(name)).versions.at(-1)!.publicKey,
    start(work, shop, publicKey) {
      const path = join(home.path, `${++count}.map`)
      writeFileSync(path, JSON.stringify({ database: shop.connection, publicKey, tables: TABLES }))
      const options = work === 'seal' ? ['--index-key', indexKey] : ['--purpose', 'rotate', '--as', 'mover']
      return startCommand(['shop', work, path, ...options])
    },
    async stop() {
      await appliance.close()
      await processes.stop()
      await Promise.all([home.remove(), data.remove()])
    },
  }
}
