/** The socket to which p11-kit's client connects: every application of this user has a connection of its own. */
import { connect, createServer, type Socket } from 'node:net'
import { ConnectionError } from '../../client/errors.ts'
import { listenAt, prepareSocket } from '../../client/own-socket.ts'
import { Application } from './application.ts'
import type { House } from './house.ts'
import { agreedVersion, type Frame, Frames, frame } from './wire/frames.ts'

const MOST_CONNECTIONS = 64
/** How long a connection may take to say which version it speaks, ms. */
const GREETING_MS = 5000

/** A server that runs. */
export interface Served {
  close(): Promise<void>
}

/**
 * Listens for this user's applications.
 *
 * @param path - of the socket; its directory is made, for this user alone
 * @throws ConnectionError `unreachable` when another one listens there, or others than this user may write there
 */
export async function servePkcs11(path: string, house: House): Promise<Served> {
  await prepareSocket(path)
  if (await isAnswered(path))
    throw new ConnectionError('unreachable', `another program listens at ${path}`, {
      hint: 'one claviger pkcs11 serves all applications of a user; choose another place with --socket',
    })
  const connections = new Set<Socket>()
  const server = createServer({ noDelay: true }, socket => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
    serve(socket, house)
  })
  server.maxConnections = MOST_CONNECTIONS
  await listenAt(server, path)
  return {
    close: async () => {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      for (const socket of connections) socket.destroy()
      await closed
      await house.close()
    },
  }
}

/** Answers one connection until it ends. */
function serve(socket: Socket, house: House): void {
  const application = new Application(house)
  const frames = new Frames()
  let answering: Promise<void> = Promise.resolve()
  socket.setTimeout(GREETING_MS, () => socket.destroy())
  socket.on('error', () => {})
  socket.once('close', () => {
    void answering.finally(() => application.end())
  })
  socket.on('data', chunk => {
    const isGreeting = frames.offered === null
    let whole: Frame[]
    try {
      whole = frames.push(chunk)
    } catch {
      // nothing after this can be told from the rest of what was broken
      socket.destroy()
      return
    }
    chunk.fill(0)
    if (isGreeting && frames.offered !== null) {
      socket.setTimeout(0)
      socket.write(Uint8Array.of(agreedVersion(frames.offered)))
    }
    for (const { code, body } of whole) {
      answering = answering.then(async () => {
        if (socket.destroyed) return
        const answer = await application.answer(body, frames.offered!)
        body.fill(0)
        const bytes = frame(code, answer)
        answer.fill(0)
        if (socket.destroyed) bytes.fill(0)
        else socket.write(bytes, () => bytes.fill(0))
      })
    }
    // a client waits for each answer, so whoever sends many at once waits, too
    if (whole.length > 0) {
      socket.pause()
      void answering.finally(() => socket.resume())
    }
  })
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(path, () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
