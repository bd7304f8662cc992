/** A folder that a log was exported to (docs/formats/audit.md, "Exported folder"): reading and verifying it, offline. */
import { readFileSync } from 'node:fs'
import { open, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openCheckpoint, type VerifierKey } from '../../../protocol/audit/checkpoint.ts'
import { AuditError } from '../../../protocol/audit/errors.ts'
import {
  CHECKPOINT_NAME,
  entriesName,
  leavesName,
  NODES_NAME,
  parsePrefix,
} from '../../../protocol/audit/export.ts'
import { HASH_BYTES } from '../../../protocol/audit/merkle.ts'
import { ExportVerifier, type VerifiedExport } from '../../../protocol/audit/verify.ts'
import { UsageError } from '../command.ts'

const READ_BYTES = 262_144
const NEWLINE = 0x0a

/** What lies in a folder. */
export interface Folder {
  directory: string
  /** Text of the checkpoint; `null` for an export that did not come to its end. */
  checkpoint: string | null
  /** Text of the nodes that stand for dropped entries, where there are some. */
  nodes: string | undefined
  /** Index of the first entry. */
  first: number
  /** Index of the first entry of each file, in order. */
  parts: number[]
}

/** What was verified. */
export interface VerifiedFolder extends VerifiedExport {
  /** Index of the first entry that is there. */
  first: number
  /** Name of the log. */
  origin: string
  checkpoint: string
}

export interface VerifyOptions {
  verifierKey: string | VerifierKey
  /** Another checkpoint than the folder's, for the entries up to that one. */
  checkpoint?: string
  /** Is told how many entries were read, and how many there are. */
  onProgress?(done: number, total: number): void
  /** Is shown each line in turn, before it is known to be right. */
  onLine?(line: string): void
}

/** @throws UsageError where there is no such folder; AuditError `audit-damaged` */
export async function readFolder(directory: string): Promise<Folder> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`${directory} cannot be read: ${error.code}`)
  })
  const read = (name: string) => (names.includes(name) ? readFile(join(directory, name), 'utf8') : undefined)
  const nodes = await read(NODES_NAME)
  const parts = names.flatMap(name => /^entries-(\d{9,16})\.jsonl$/.exec(name)?.[1] ?? []).map(Number)
  return {
    directory,
    checkpoint: (await read(CHECKPOINT_NAME)) ?? null,
    nodes,
    first: nodes === undefined ? 0 : parsePrefix(nodes).first,
    parts: parts.sort((a, b) => a - b),
  }
}

/**
 * Verifies all of a folder that its checkpoint, or the one in the options, is for.
 *
 * @throws AuditError `audit-damaged`, with the first bad entry where that can be known; CheckpointError `bad-checkpoint`
 */
export async function verifyFolder(
  { directory, nodes, first, parts, ...folder }: Folder,
  { verifierKey, checkpoint = folder.checkpoint ?? undefined, onProgress, onLine }: VerifyOptions,
): Promise<VerifiedFolder> {
  if (checkpoint === undefined)
    throw new AuditError('audit-damaged', `${directory} holds no checkpoint`, {
      hint: 'an export that was interrupted has none: run it again',
    })
  const { origin, size } = openCheckpoint(checkpoint, verifierKey)
  const leaves = new Leaves(directory, parts)
  const verifier = new ExportVerifier({
    checkpoint,
    verifierKey,
    ...(nodes === undefined ? {} : { nodes }),
    leafAt: index => leaves.at(index),
  })
  let next = first
  const taker = new LineCounter(onLine)
  for (const start of parts) {
    if (start !== next) throw gapBefore(verifier, next, taker.isCut)
    for await (const bytes of chunksOf(join(directory, entriesName(start)))) {
      verifier.push(bytes)
      next += taker.take(bytes)
      onProgress?.(next - first, size - first)
    }
  }
  return { ...verifier.finish(), first, origin, checkpoint }
}

/** A file is missing, unless lines that came before it are damaged in a way that makes them fewer or more. */
function gapBefore(verifier: ExportVerifier, next: number, isCut: boolean): Error {
  try {
    verifier.finish()
  } catch (error) {
    if (error instanceof AuditError && error.index !== null && (isCut || error.index < next)) return error
  }
  return new AuditError('audit-damaged', `there is no file ${entriesName(next)}`, { index: next })
}

/** Leaf hashes serve only to name the entry that is bad: where they are missing, nothing else changes. */
class Leaves {
  readonly #directory: string
  readonly #parts: readonly number[]
  /** Those of one file: they are asked for in order. */
  #present = { start: -1, leaves: new Uint8Array() as Uint8Array }

  constructor(directory: string, parts: readonly number[]) {
    this.#directory = directory
    this.#parts = parts
  }

  at(index: number): Uint8Array | null {
    const start = this.#parts.findLast(start => start <= index)
    if (start === undefined) return null
    if (this.#present.start !== start) this.#present = { start, leaves: this.#read(start) }
    const at = (index - start) * HASH_BYTES
    const leaf = this.#present.leaves.subarray(at, at + HASH_BYTES)
    return leaf.length === HASH_BYTES ? leaf : null
  }

  #read(start: number): Uint8Array {
    try {
      return readFileSync(join(this.#directory, leavesName(start)))
    } catch {
      return new Uint8Array()
    }
  }
}

async function* chunksOf(path: string): AsyncGenerator<Buffer> {
  const file = await open(path)
  const buffer = Buffer.allocUnsafe(READ_BYTES)
  try {
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, READ_BYTES)
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

/** Counts lines, and cuts them where somebody wants to see them. */
class LineCounter {
  readonly #onLine: ((line: string) => void) | undefined
  #rest: Buffer[] = []
  /** Whether the bytes so far end within a line. */
  isCut = false

  constructor(onLine: ((line: string) => void) | undefined) {
    this.#onLine = onLine
  }

  /** @returns how many lines end in these bytes */
  take(bytes: Buffer): number {
    let count = 0
    let start = 0
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      if (this.#onLine) {
        this.#onLine(Buffer.concat([...this.#rest, bytes.subarray(start, end)]).toString('utf8'))
        this.#rest = []
      }
      start = end + 1
      count++
    }
    if (bytes.length > 0) this.isCut = start < bytes.length
    // A copy, because the bytes are overwritten by the next ones.
    if (this.#onLine && start < bytes.length) this.#rest.push(Buffer.from(bytes.subarray(start)))
    return count
  }
}
