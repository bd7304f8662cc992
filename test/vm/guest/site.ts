/** A device on the gadget and a user of it on the host: the three processes, the agent, and who is enrolled. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Appliance } from '../../../host-agent/client/appliance.ts'
import { localWires } from '../../../host-agent/client/local-wires.ts'
import type { Wire } from '../../../host-agent/client/wire.ts'
import { type Seal, sealer } from '../../../host-agent/seal/seal.ts'
import { type AgentProcess, startAgent } from '../../support/agent.ts'
import {
  flashCard,
  type Processes,
  startProcesses,
  type TestAppliance,
  temporaryDirectory,
} from '../../support/appliance.ts'
import { DEVICE, gadget, HOST, hostTerminal } from './cable.ts'

/** A device that is set up, flashed, provisioned and plugged in. */
export interface Device {
  appliance: TestAppliance
  processes: Processes
  stop(): Promise<void>
}

/**
 * Starts a device.
 *
 * @param host - address to reach it at, by default the terminal
 * @param open - opens that address
 */
export async function startDevice(
  host = `serial:${HOST}`,
  open?: (address: string) => Promise<Wire>,
): Promise<Device> {
  const directory = await temporaryDirectory()
  const card = await flashCard(directory.path, '')
  const processes = await startProcesses(directory.path, { serial: DEVICE, host, ...(open ? { open } : {}) })
  const { code, said } = await gadget('up', '--identity', join(directory.path, 'identity'))
  if (code !== 0) throw new Error(said)
  await hostTerminal()
  const { appliance } = processes
  await appliance.provision(card)
  return {
    appliance,
    processes,
    stop: async () => {
      await appliance.close()
      await processes.stop()
      await gadget('down')
      await directory.remove()
    },
  }
}

/** A device with an agent that holds it, a key, and an operator. */
export interface Site extends Device {
  agent: AgentProcess
  admin: Appliance
  till: Appliance
  seal: Seal
  /** Starts the agent again after its end. */
  restartAgent(): Promise<void>
}

let started: Promise<Site> | undefined

/** The one site of all questions; made by the first that needs it. */
export function site(): Promise<Site> {
  started ??= start()
  return started
}

async function start(): Promise<Site> {
  const home = await temporaryDirectory()
  await mkdir(home.path, { recursive: true })
  let agent = await startAgent(home.path, [])
  const device = await startDevice('usb:', localWires({ CLAVIGER_HOME: home.path }))
  const { appliance } = device
  const admin = await appliance.connect(appliance.admin)
  const key = await admin.createKey('orders')
  const profile = await appliance.enrol('till-1', 'operator', ['orders'])
  const till = await appliance.connect(profile)
  t.teardown(async () => {
    await device.stop()
    await agent.stop()
    await home.remove()
  })
  return {
    ...device,
    get agent() {
      return agent
    },
    admin,
    till,
    seal: sealer(key.versions[0]!.publicKey),
    restartAgent: async () => {
      agent = await startAgent(home.path, [])
    },
  }
}

/** Tries without patience until it works. @returns ms that it took */
export async function untilAnswered(attempt: () => Promise<unknown>, deadline = 60_000): Promise<number> {
  const begun = performance.now()
  for (;;) {
    try {
      await attempt()
      return performance.now() - begun
    } catch (error) {
      if (performance.now() - begun > deadline) throw error
      await sleep(10)
    }
  }
}
