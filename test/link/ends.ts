/** The two ends of a line under test: a device or host in a process of its own, or a link in this one. */

import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { buffer } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { openSerialPair, type PairTool, type SerialPair } from '../../host-agent/cli/demo/serial-pair.ts'
import { openSerialLine } from '../../host-agent/client/serial-line.ts'
import { Link } from '../../protocol/link/link.ts'
import { bareNode } from '../support/environment.ts'

/** Lays a cable for a test, or says why there is none: an absent tool may be passed over, but not where CI is set. */
export async function layCable(t: Test, tool: PairTool): Promise<SerialPair | null> {
  const pair = await openSerialPair({ dir: t.testdir(), tool }).catch((error: Error) => error)
  if (pair instanceof Error) {
    if (process.env.CI) t.fail(`${tool} has to be installed where CI is set`, { error: pair })
    else t.plan(0, `${tool} is not installed`)
    return null
  }
  t.teardown(() => pair.close())
  return pair
}

/** Starts a program of this directory with a channel to it; it is killed when the test ends. */
export function start(t: Test, program: string, ...args: string[]): ChildProcess {
  const file = fileURLToPath(new URL(program, import.meta.url))
  const child = spawn(...bareNode(file, ...args), { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  t.teardown(() => kill(child))
  return child
}

/** Starts a device that echoes sessions, in a process of its own. */
export async function startDevice(t: Test, path: string): Promise<ChildProcess> {
  const child = start(t, 'echo-end.ts', 'link', path)
  // a terminal is open at once; a socket has its port only when the host comes
  if (path.startsWith('unix:')) await once(child, 'spawn')
  else await once(child, 'message')
  return child
}

/** Kills a process as a power cut would, and waits for its end. */
export async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}

/** A host link over the pair, kept open until the test ends. */
export function startHost(t: Test, path: string): Link {
  const link = new Link({ side: 'host', helloEvery: 100 })
  const line = openSerialLine(path, { onPort: port => link.attach(port), pause: 20 })
  t.teardown(() => line.stop())
  return link
}

/** Whether random bytes come back as they went. */
export async function echoes(link: Link, length: number, session = link.open()): Promise<boolean> {
  const bytes = randomBytes(length)
  session.end(bytes)
  return (await buffer(session)).equals(bytes)
}
