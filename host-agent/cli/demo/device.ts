/** The demo's appliance: the real three processes on two wires, on a temporary directory. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { PairTool } from './serial-pair.ts'
import { openSerialPair } from './serial-pair.ts'

/** A running device. */
export interface DemoDevice {
  /** Addresses of the two wires. */
  lan: string
  serial: string
  /** What joins the two ends of the serial line. */
  tool: PairTool
  /** Newest pid of a process. */
  pidOf(name: 'keeper' | 'gate'): number
  stop(): Promise<void>
}

const MAIN = fileURLToPath(new URL('../../../appliance/main.ts', import.meta.url))
const START_MS = 20_000

/** Starts the device on `data`, where `provision.json` waits. */
export async function startDevice(data: string): Promise<DemoDevice> {
  const pair = await openSerialPair({ dir: data })
  const child = spawn(
    process.execPath,
    [MAIN, '--data', data, '--lan', '127.0.0.1:0', '--serial', pair.device],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  const said: string[] = []
  const ended = new Promise<void>(resolve => child.once('exit', () => resolve()))
  const kill = () => child.kill('SIGTERM')
  process.once('exit', kill)
  const stop = async () => {
    process.off('exit', kill)
    kill()
    await ended
    await pair.close()
  }
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the appliance did not start in time')), START_MS)
    for (const stream of [child.stdout, child.stderr])
      createInterface({ input: stream }).on('line', line => {
        said.push(line)
        if (/: ready,/.test(line)) {
          clearTimeout(timer)
          resolve()
        }
      })
    void ended.then(() => reject(new Error(`the appliance ended:\n${said.join('\n')}`)))
  }).catch(async error => {
    await stop()
    throw error
  })
  return {
    lan: /on lan (\S+)/.exec(said.join('\n'))![1]!,
    serial: `serial:${pair.host}`,
    tool: pair.tool,
    pidOf: name =>
      Number([...said.join('\n').matchAll(new RegExp(`started ${name}=(\\d+)`, 'g'))].at(-1)![1]),
    stop,
  }
}
