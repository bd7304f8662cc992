/** A client in a network namespace: one command a line, one answer a line. */
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import type { Appliance } from '../../host-agent/client/appliance.ts'
import { connectProfile } from '../../host-agent/client/connect.ts'
import type { Profile } from '../../host-agent/client/profile.ts'
import { lanWire } from '../../host-agent/client/wire.ts'
import type { DecryptBody } from '../../protocol/api/schemas.ts'
import { PORT } from './namespaces.ts'

/** Asks for the same field again and again. */
export interface Ask {
  profile: Profile
  host: string
  body: DecryptBody
  /** How many times. */
  times?: number
  /** Ms from one request to the next. */
  every?: number
  /** A connection of its own for each. */
  fresh?: boolean
  /** How long to try, ms. */
  retryFor?: number
}

export interface Asked {
  /** Different results, as JSON, and codes of errors. */
  results: string[]
  errors: string[]
  /** Ms of each request that was answered. */
  latencies: number[]
}

async function ask({
  profile,
  host,
  body,
  times = 1,
  every = 0,
  fresh = false,
  retryFor = 0,
}: Ask): Promise<Asked> {
  const results = new Set<string>()
  const errors: string[] = []
  const latencies: number[] = []
  const connect = () =>
    connectProfile(profile, { open: async () => lanWire(host, PORT), patience: { retryFor } })
  let kept: Appliance | undefined
  for (let i = 0; i < times; i++) {
    const started = performance.now()
    try {
      kept ??= await connect()
      results.add(JSON.stringify((await kept.decrypt(body)).results))
      latencies.push(performance.now() - started)
    } catch (error) {
      errors.push((error as { code?: string }).code ?? String(error))
    }
    if (fresh || errors.length > 0) {
      await kept?.close()
      kept = undefined
    }
    await pause(Math.max(0, every - (performance.now() - started)))
  }
  await kept?.close()
  return { results: [...results], errors, latencies }
}

for await (const line of createInterface({ input: process.stdin }))
  process.stdout.write(`${JSON.stringify(await ask(JSON.parse(line)))}\n`)
