/** The agent's end of the tunnel socket: answers programs of this user, and joins them to the device. docs/formats/tunnel.md. */
import { createServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { ClavigerError } from '../../protocol/api/errors.ts'
import { isDeviceSerial } from '../../protocol/identity/device-serial.ts'
import { ConnectionError } from '../client/errors.ts'
import { listenAt, prepareSocket } from '../client/own-socket.ts'
import { type AgentDevice, askAgent, readLine, readObject } from '../client/tunnel.ts'
import type { Destination } from './agent.ts'

const REQUEST_MS = 5000
/** As many as the link has sessions, and some that only ask. */
const MAX_CONNECTIONS = 96

/** What the socket offers. */
export interface Offer {
  list(): Promise<AgentDevice[]>
  open(destination: Destination): Promise<Duplex>
  /** Address of the page, with a fresh one-time code. @throws ConnectionError where there is none */
  page?(): Promise<string>
  /** Runs a state machine of the plugin for age on what follows. @throws ConnectionError where there is no such one */
  age?(machine: string): Promise<(socket: Duplex) => Promise<unknown>>
}

/**
 * Listens for this user's programs.
 *
 * @param path - of the socket; its directory is made, for this user alone
 * @throws ConnectionError `unreachable` when another agent runs, or others than this user may write there
 */
export async function serveTunnel(path: string, offer: Offer): Promise<{ close(): Promise<void> }> {
  if (!path.startsWith('\\\\')) await prepareSocket(path)
  if (await isAnswered(path))
    throw new ConnectionError('unreachable', 'another claviger agent of this user runs already', {
      hint: 'one agent serves all programs; claviger status shows what it sees',
    })
  const connections = new Set<Socket>()
  const server = createServer(socket => {
    connections.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => connections.delete(socket))
    void serve(socket, offer)
  })
  server.maxConnections = MAX_CONNECTIONS
  await listenAt(server, path)
  return {
    close: async () => {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      for (const socket of connections) socket.destroy()
      await closed
    },
  }
}

async function isAnswered(path: string): Promise<boolean> {
  try {
    const asked = await askAgent(path, { do: 'list' })
    asked?.socket.destroy()
    return asked !== null
  } catch {
    return true
  }
}

async function serve(socket: Socket, offer: Offer): Promise<void> {
  const answer = (value: object) => socket.write(`${JSON.stringify(value)}\n`)
  try {
    const request = readObject(await readLine(socket, REQUEST_MS))
    if (request.do === 'list') {
      answer({ ok: true, devices: await offer.list() })
      socket.end()
    } else if (request.do === 'open') {
      const session = await offer.open(readDestination(request))
      if (socket.destroyed) {
        session.destroy()
        return
      }
      answer({ ok: true })
      join(socket, session)
    } else if (request.do === 'page' && offer.page) {
      answer({ ok: true, url: await offer.page() })
      socket.end()
    } else if (request.do === 'age' && typeof request.machine === 'string' && offer.age) {
      const run = await offer.age(request.machine)
      answer({ ok: true })
      await run(socket)
      socket.end()
    } else throw new ConnectionError('bad-response', 'the agent knows no such request')
  } catch (error) {
    if (!(error instanceof ClavigerError)) throw error
    const { code, message, hint } = error
    answer({ ok: false, code, message, ...(hint ? { hint } : {}) })
    socket.end()
  }
}

/** @throws ConnectionError `bad-response` */
function readDestination({ serial, path }: Record<string, unknown>): Destination {
  const isPath = path === undefined || (typeof path === 'string' && path.length <= 4096)
  const isSerial = serial === undefined || (typeof serial === 'string' && isDeviceSerial(serial))
  if (!isPath || !isSerial)
    throw new ConnectionError('bad-response', 'the request names no device that there could be')
  return { serial: serial as string | undefined, path: path as string | undefined }
}

/** Carries the bytes both ways; when either end goes, so does the other. */
function join(socket: Socket, session: Duplex): void {
  session.on('error', () => socket.destroy())
  session.once('close', () => socket.end())
  socket.once('close', () => session.destroy())
  socket.pipe(session)
  session.pipe(socket)
}
