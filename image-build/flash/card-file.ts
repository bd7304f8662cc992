/** The card as something to write to and to read back: a block device, or a file that stands for one. */
import { constants, type FileHandle, open } from 'node:fs/promises'
import { ImageError } from '../errors.ts'
import { PIECE } from './image-file.ts'

/** What is written to. */
export interface Card {
  /** For people. */
  readonly name: string
  /** Its bytes are zero already, so zeros need not be written. */
  readonly isFresh: boolean
  write(at: number, bytes: Uint8Array): Promise<void>
  /** Resolves when all that was written is on the card. */
  sync(): Promise<void>
  /** As the card has it; fewer bytes only at its end. Good until the next call. */
  read(at: number, size: number): Promise<Uint8Array>
}

/** An open card. */
export interface OpenCard extends Card, AsyncDisposable {
  /** Whether reading back goes past the memory of the kernel. */
  readonly isDirect: boolean
}

/** The types of Node leave it out. */
declare const WebAssembly: { Memory: new (pages: { initial: number }) => { buffer: ArrayBuffer } }

/** A block for reading past the kernel's memory; a multiple of what every disk counts in. */
const BLOCK = 4096

/** What a person can do about an error of open(2). */
const OPENING: Record<string, [message: string, hint: string]> = {
  EACCES: ['you may not write to it', 'sudo chown "$USER" CARD lets you, until the card is taken out'],
  EPERM: ['you may not write to it', 'sudo chown "$USER" CARD lets you, until the card is taken out'],
  EBUSY: ['another program uses it', 'unmount it, and close what looks at it'],
  EROFS: ['it is read-only', 'look at the small switch on the card or its adapter'],
  ENOMEDIUM: ['there is no card in it', 'put it in, and wait a moment'],
}

/**
 * Opens a card. Nobody can mount a block device meanwhile.
 *
 * @param isDevice a block device, not a file
 * @throws ImageError where it cannot be opened
 */
export async function openCard(path: string, isDevice: boolean, isFresh: boolean): Promise<OpenCard> {
  // Of a block device O_EXCL means that it is not mounted, swapped to or held, and stays so: open(2).
  const flags = constants.O_RDWR | (isDevice ? constants.O_EXCL : constants.O_CREAT)
  const handle = await open(path, flags, 0o600).catch((error: NodeJS.ErrnoException) => {
    const [message, hint] = OPENING[error.code ?? ''] ?? [error.message, 'is it there?']
    throw new ImageError(`${path} cannot be written: ${message}`, {
      cause: error,
      hint: hint.replace('CARD', path),
    })
  })
  const direct = await openDirect(path)
  return {
    name: path,
    isFresh,
    isDirect: direct !== null,
    write: (at, bytes) => writeAll(handle, at, bytes),
    sync: () => handle.sync(),
    read: reader(direct ?? handle),
    async [Symbol.asyncDispose]() {
      await direct?.close()
      await handle.close()
    },
  }
}

/** Some file systems, such as one in memory, have nothing to go past. */
async function openDirect(path: string): Promise<FileHandle | null> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECT).catch(() => null)
  if (handle === null) return null
  try {
    await reader(handle)(0, BLOCK)
    return handle
  } catch {
    await handle.close()
    return null
  }
}

/** Reads into memory of WebAssembly: the only memory here that begins on a page, which direct reading asks for. */
function reader(handle: FileHandle): Card['read'] {
  const memory = new Uint8Array(new WebAssembly.Memory({ initial: PIECE / 65_536 }).buffer)
  return async (at, size) => {
    const wanted = Math.ceil(size / BLOCK) * BLOCK
    let done = 0
    while (done < wanted) {
      const { bytesRead } = await handle.read(memory, done, wanted - done, at + done)
      done += bytesRead
      // What is no whole block is the end.
      if (bytesRead === 0 || done % BLOCK !== 0) break
    }
    return memory.subarray(0, Math.min(done, size))
  }
}

async function writeAll(handle: FileHandle, at: number, bytes: Uint8Array): Promise<void> {
  let done = 0
  while (done < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, at + done)
    if (bytesWritten === 0) throw new Error('it takes no more')
    done += bytesWritten
  }
}
