/**
 * What the link costs on top of the bytes it carries: one session against a raw echo of the same bytes, over the same pair
 * of terminals, the echoing end in a process of its own. The floor is raw bytes through serialport; the figures that end in
 * `-port` compare with raw bytes through our own port, which is faster.
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
import { openSerialPair, type SerialPair } from '../../host-agent/cli/demo/serial-pair.ts'
import { openSerialLine } from '../../host-agent/client/serial-line.ts'
import { Link } from '../../protocol/link/link.ts'
import { openFloorLine } from '../link/floor-line.ts'
import type { Figure } from './figure.ts'
import { median } from './measure.ts'

type Mode = 'floor' | 'raw' | 'link'

const ROUNDS = 5
const WARM_UP = 8 * 1024 * 1024
const TOTAL = 16 * 1024 * 1024
const CHUNK = randomBytes(65_536)
const PINGS = 300
const PING = randomBytes(200)
const SESSIONS = 16
const SHARING_MS = 3000

export const figures: { name: string; run: () => Promise<Figure> }[] = [
  { name: 'link-throughput', run: () => throughput('link-throughput', 'floor', 0.8) },
  { name: 'link-throughput-port', run: () => throughput('link-throughput-port', 'raw', null) },
  { name: 'serial-latency', run: () => latency('serial-latency', 'floor', 3) },
  { name: 'serial-latency-port', run: () => latency('serial-latency-port', 'raw', null) },
  {
    name: 'link-fairness',
    run: async () => {
      const shares = await overPairs('link', sharesOfSessions)
      const mean = shares.reduce((sum, share) => sum + share) / shares.length
      const value = Math.min(...shares) / mean
      return { name: 'link-fairness', value, unit: 'ratio', floor: mean, bar: 0.5, better: 'higher' }
    },
  },
]

async function throughput(name: string, against: Mode, bar: number | null): Promise<Figure> {
  const { floor, link } = await takeTurns(against, megabytesPerSecond)
  return { name, value: link / floor, unit: 'ratio', floor, bar, better: 'higher' }
}

async function latency(name: string, against: Mode, bar: number | null): Promise<Figure> {
  const { floor, link } = await takeTurns(against, milliseconds)
  return { name, value: link / floor, unit: 'ratio', floor, bar, better: 'lower' }
}

/** Measures the link and what it is compared with in turn, and gives the median of each. */
async function takeTurns(
  against: Mode,
  measure: (stream: Duplex) => Promise<number>,
): Promise<{ floor: number; link: number }> {
  const one = (open: () => Duplex) => measure(open())
  const floor: number[] = []
  const link: number[] = []
  await withPair(async pair => {
    for (let round = 0; round < ROUNDS; round++) {
      floor.push(await overPair(against, pair, one))
      link.push(await overPair('link', pair, one))
    }
  })
  return { floor: median(floor), link: median(link) }
}

function overPairs<T>(mode: Mode, measure: (open: () => Duplex) => Promise<T>): Promise<T> {
  return withPair(pair => overPair(mode, pair, measure))
}

async function withPair<T>(use: (pair: SerialPair) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), 'claviger-bench-'))
  const pair = await openSerialPair({ dir })
  try {
    return await use(pair)
  } finally {
    await pair.close()
    await rm(dir, { recursive: true })
  }
}

/** @param measure - takes what gives the stream of the bare port, or a new session of the link each time */
async function overPair<T>(
  mode: Mode,
  { device, host }: SerialPair,
  measure: (open: () => Duplex) => Promise<T>,
): Promise<T> {
  const child = fork(new URL('../link/echo-end.ts', import.meta.url), [mode, device])
  await once(child, 'message')
  const { promise, resolve } = Promise.withResolvers<Duplex>()
  const line = (mode === 'floor' ? openFloorLine : openSerialLine)(host, { onPort: resolve, pause: 20 })
  const port = await promise
  try {
    if (mode !== 'link') return await measure(() => port)
    const link = new Link({ side: 'host' })
    link.attach(port)
    await once(link, 'hello')
    const value = await measure(() => link.open())
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

/** Bytes that came back to each of many sessions that all send as fast as they can. */
async function sharesOfSessions(open: () => Duplex): Promise<number[]> {
  const until = performance.now() + SHARING_MS
  return Promise.all(
    Array.from({ length: SESSIONS }, async () => {
      const session = open()
      let back = 0
      session.on('data', (bytes: Buffer) => {
        back += bytes.length
      })
      while (performance.now() < until) if (!session.write(CHUNK)) await once(session, 'drain')
      return back
    }),
  )
}

async function megabytesPerSecond(stream: Duplex): Promise<number> {
  // both ends are compiled when they are measured
  await echo(stream, WARM_UP, CHUNK)
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
