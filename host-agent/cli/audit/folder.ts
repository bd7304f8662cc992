/** A folder that a log was exported to (docs/formats/audit.md, "Exported folder"): reading and verifying it, offline. */
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
  let part = { start: 0, leaves: new Uint8Array() as Uint8Array }
  const verifier = new ExportVerifier({
    checkpoint,
    verifierKey,
    ...(nodes === undefined ? {} : { nodes }),
    leafAt: index => {
      const at = (index - part.start) * HASH_BYTES
      const leaf = part.leaves.subarray(at, at + HASH_BYTES)
      return leaf.length === HASH_BYTES ? leaf : null
    },
  })
  let next = first
  const taker = new LineCounter(onLine)
  for (const start of parts) {
    if (start !== next)
      throw new AuditError('audit-damaged', `there is no file ${entriesName(next)}`, { index: next })
    part = { start, leaves: await readLeaves(directory, start) }
    for await (const bytes of chunksOf(join(directory, entriesName(start)))) {
      verifier.push(bytes)
      next += taker.take(bytes)
      onProgress?.(next - first, size - first)
    }
  }
  return { ...verifier.finish(), first, origin, checkpoint }
}

/** Leaf hashes serve only to name the entry that is bad: where they are missing, nothing else changes. */
function readLeaves(directory: string, start: number): Promise<Uint8Array> {
  return readFile(join(directory, leavesName(start))).catch(() => new Uint8Array())
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
    // A copy, because the bytes are overwritten by the next ones.
    if (this.#onLine && start < bytes.length) this.#rest.push(Buffer.from(bytes.subarray(start)))
    return count
  }
}
