/**
 * The audit log with a million entries: reading it at the start with the flags of the key process, proving one entry, and
 * verifying an export.
 */
import { spawnSync } from 'node:child_process'
import { hash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AuditLog } from '../../appliance/keeper/audit/log.ts'
import { entriesName } from '../../protocol/audit/export.ts'
import { verifyInclusion } from '../../protocol/audit/merkle.ts'
import { ExportVerifier } from '../../protocol/audit/verify.ts'
import { LOG_KEY, nodesName, ORIGIN, segmentsOf, VERIFIER_KEY } from '../keeper/audit-entries.ts'
import { temporaryDirectory } from '../support/appliance.ts'
import type { Figure } from './figure.ts'
import { median } from './measure.ts'

const ENTRIES = 1_000_000
const PROOFS = 5000
const ROUNDS = 3
/** As the key process is started. */
const KEEPER_FLAGS = ['--no-opt', '--no-maglev', '--max-semi-space-size=4']
const clock = { wall: Date.now, up: () => performance.now(), boot: 'bench' }

/** A directory with a whole log, for as long as `use` runs. */
async function withLog<T>(use: (directory: string) => T | Promise<T>): Promise<T> {
  const directory = await temporaryDirectory()
  try {
    for (const { first, lines, nodes } of segmentsOf(ENTRIES)) {
      writeFileSync(join(directory.path, entriesName(first)), lines)
      if (nodes) writeFileSync(join(directory.path, nodesName(first)), nodes)
    }
    return await use(directory.path)
  } finally {
    await directory.remove()
  }
}

const openLog = (directory: string) => AuditLog.open({ directory, origin: ORIGIN, clock })

/** Bare SHA-256 of a node's 65 bytes, a second on this core. */
function bareHashes(): number {
  const input = Buffer.alloc(65, 1)
  const rounds = 300_000
  for (let i = 0; i < rounds; i++) hash('sha256', input, 'binary')
  const start = performance.now()
  for (let i = 0; i < rounds; i++) hash('sha256', input, 'binary')
  return (rounds * 1000) / (performance.now() - start)
}

async function verify(): Promise<Figure> {
  return withLog(async directory => {
    const log = await openLog(directory)
    log.setSigner(LOG_KEY)
    const head = { checkpoint: log.checkpoint()!, verifierKey: VERIFIER_KEY }
    const names = readdirSync(directory).filter(name => name.startsWith('entries-'))
    const rates: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const start = performance.now()
      const verifier = new ExportVerifier(head)
      for (const name of names.sort()) verifier.push(readFileSync(join(directory, name)))
      const { entries } = verifier.finish()
      rates.push((entries * 1000) / (performance.now() - start))
    }
    const floor = bareHashes()
    return { name: 'audit-verify', value: median(rates), unit: '/s', floor, bar: 500_000, better: 'higher' }
  })
}

/** Starts in a process of its own; the floor is reading the same files and taking their lines apart with `JSON.parse`. */
async function replay(): Promise<Figure> {
  return withLog(directory => {
    const measure = (task: string) => {
      const args = [...KEEPER_FLAGS, fileURLToPath(import.meta.url), task, directory]
      const { status, stdout } = spawnSync(process.execPath, args, {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      if (status !== 0) throw new Error(`${task} failed`)
      return Number(stdout)
    }
    const [floors, values]: [number[], number[]] = [[], []]
    for (let round = 0; round < ROUNDS; round++) {
      floors.push(measure('parse'))
      values.push(measure('replay'))
    }
    return {
      name: 'audit-replay',
      value: median(values) / 1000,
      unit: 's',
      floor: median(floors) / 1000,
      bar: 5,
      better: 'lower',
    }
  })
}

async function proof(): Promise<Figure> {
  return withLog(async directory => {
    const log = await openLog(directory)
    const { size } = log
    const root = log.root()
    const times: number[] = []
    for (let i = 0; i < PROOFS; i++) {
      const index = (i * 7_919_003) % size
      const start = performance.now()
      const proof = log.inclusion(index, size)
      times.push(performance.now() - start)
      if (!verifyInclusion({ leaf: log.leaves(index, 1), index, size, proof, root }))
        throw new Error('no proof')
    }
    // The hashes of as many nodes as a proof of this size has.
    const floor = 20_000 / bareHashes()
    return { name: 'audit-proof', value: median(times), unit: 'ms', floor, bar: 2, better: 'lower' }
  })
}

export const figures: { name: string; run: () => Promise<Figure> }[] = [
  { name: 'audit-verify', run: verify },
  { name: 'audit-replay', run: replay },
  { name: 'audit-proof', run: proof },
]

// What is measured in a process of its own.
const [task, directory = ''] = process.argv.slice(2)
if (task === 'parse' || task === 'replay') {
  const start = performance.now()
  let seen = 0
  if (task === 'replay') {
    const visit = () => {
      seen += 1
    }
    await AuditLog.open({ directory, origin: ORIGIN, clock, visit })
  } else {
    for (const name of readdirSync(directory).filter(name => name.startsWith('entries-')))
      for (const line of readFileSync(join(directory, name), 'utf8').trimEnd().split('\n'))
        seen += JSON.parse(line) ? 1 : 0
  }
  if (seen !== ENTRIES) throw new Error(`${seen} entries were seen`)
  process.stdout.write(String(performance.now() - start))
}
