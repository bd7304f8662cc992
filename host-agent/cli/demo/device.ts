/** The demo's appliance: the real three processes on two wires, on a temporary directory. */
import { fileURLToPath } from 'node:url'
import { startProgram } from './program.ts'
import type { PairTool } from './serial-pair.ts'
import { openSerialPair } from './serial-pair.ts'

/** A running device. */
export interface DemoDevice {
  /** Addresses of the two wires. */
  lan: string
  serial: string
  /** Path of the host's end of the serial line. */
  port: string
  /** What joins the two ends of the serial line. */
  tool: PairTool
  /** Newest pid of a process. */
  pidOf(name: 'keeper' | 'gate'): number
  /** Pulls the cable of the serial line, or puts it in again. */
  unplug(): Promise<void>
  plugIn(): Promise<void>
  stop(): Promise<void>
}

const MAIN = fileURLToPath(new URL('../../../appliance/main.ts', import.meta.url))
const START_MS = 20_000

/** Starts the device on `data`, where `provision.json` waits. */
export async function startDevice(data: string): Promise<DemoDevice> {
  let pair = await openSerialPair({ dir: data })
  const { device, host, tool } = pair
  const args = [MAIN, '--data', data, '--lan', '127.0.0.1:0', '--serial', device]
  const options = { name: 'the appliance', ready: /: ready,/, within: START_MS }
  const program = await startProgram(process.execPath, args, options).catch(async error => {
    await pair.close()
    throw error
  })
  const said = () => program.said.join('\n')
  return {
    lan: /on lan (\S+)/.exec(said())![1]!,
    serial: `serial:${host}`,
    port: host,
    tool,
    pidOf: name => Number([...said().matchAll(new RegExp(`started ${name}=(\\d+)`, 'g'))].at(-1)![1]),
    unplug: () => pair.close(),
    plugIn: async () => {
      pair = await openSerialPair({ dir: data, tool })
    },
    stop: async () => {
      await program.stop()
      await pair.close()
    },
  }
}
