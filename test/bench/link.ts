/**
 * What the link costs on top of the bytes it carries: one session against a raw echo of the same bytes, over the same pair
 * of terminals, the echoing end in a process of its own.
 *
 * Floor and subject take turns, and each figure is the ratio of the medians, so that a neighbour's noise meets both.
 */

import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { openSerialPair } from '../../host-agent/cli/demo/serial-pair.ts'
import { openSerialLine } from '../../host-agent/client/serial-line.ts'
import { Link } from '../../protocol/link/link.ts'
import type { Figure } from './figure.ts'
import { median } from './measure.ts'

type Mode = 'raw' | 'link'

const ROUNDS = 5
const TOTAL = 16 * 1024 * 1024
const CHUNK = randomBytes(65_536)
const PINGS = 300
const PING = randomBytes(200)

export const figures: { name: string; run: () => Promise<Figure> }[] = [
  {
    name: 'serial-throughput',
    run: async () => {
      const { raw, link } = await takeTurns(megabytesPerSecond)
      const value = link / raw
      return { name: 'serial-throughput', value, unit: 'ratio', floor: raw, bar: 0.7, better: 'higher' }
    },
  },
  {
    name: 'serial-latency',
    run: async () => {
      const { raw, link } = await takeTurns(milliseconds)
      const value = link / raw
      return { name: 'serial-latency', value, unit: 'ratio', floor: raw, bar: 3, better: 'lower' }
    },
  },
]

/** Measures both modes in turn and gives the median of each. */
async function takeTurns(measure: (stream: Duplex) => Promise<number>): Promise<Record<Mode, number>> {
  const dir = await mkdtemp(join(tmpdir(), 'claviger-bench-'))
  const pair = await openSerialPair({ dir })
  const taken: Record<Mode, number[]> = { raw: [], link: [] }
  try {
    for (let round = 0; round < ROUNDS; round++) {
      for (const mode of ['raw', 'link'] as const) {
        taken[mode].push(await overPair(mode, pair.device, pair.host, measure))
      }
    }
  } finally {
    await pair.close()
    await rm(dir, { recursive: true })
  }
  return { raw: median(taken.raw), link: median(taken.link) }
}

async function overPair(
  mode: Mode,
  device: string,
  host: string,
  measure: (stream: Duplex) => Promise<number>,
): Promise<number> {
  const child = fork(new URL('../link/echo-end.ts', import.meta.url), [mode, device])
  await once(child, 'message')
  const { promise, resolve } = Promise.withResolvers<Duplex>()
  const line = openSerialLine(host, { onPort: resolve, pause: 20 })
  const port = await promise
  try {
    if (mode === 'raw') return await measure(port)
    const link = new Link({ side: 'host' })
    link.attach(port)
    await once(link, 'hello')
    const session = link.open()
    const value = await measure(session)
    session.destroy()
    link.detach()
    return value
  } finally {
    await line.stop()
    await ended(child)
  }
}

async function ended(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}

async function megabytesPerSecond(stream: Duplex): Promise<number> {
  // one small round trip first, so that both ends are awake
  await echo(stream, 200, PING)
  const start = performance.now()
  await echo(stream, TOTAL, CHUNK)
  return TOTAL / 1e3 / (performance.now() - start)
}

async function milliseconds(stream: Duplex): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < PINGS; i++) {
    const start = performance.now()
    await echo(stream, PING.length, PING)
    times.push(performance.now() - start)
  }
  return median(times)
}

/** Writes `total` bytes and returns when as many have come back. */
async function echo(stream: Duplex, total: number, chunk: Buffer): Promise<void> {
  let back = 0
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const onData = (bytes: Buffer) => {
    back += bytes.length
    if (back >= total) resolve()
  }
  const onClose = () => reject(new Error(`the stream closed after ${back} of ${total} bytes`))
  stream.on('data', onData).on('close', onClose)
  for (let sent = 0; sent < total; sent += chunk.length) {
    if (!stream.write(chunk)) await Promise.race([once(stream, 'drain'), promise])
  }
  await promise
  stream.off('data', onData).off('close', onClose)
}
