/**
 * What a program says to the agent that holds the dongle, and how it gets a byte stream to the device through it.
 * docs/formats/tunnel.md.
 */
import { connect, type Socket } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { ConnectionError } from './errors.ts'
import { profileDirectory } from './profile.ts'
import { unreachable, type Wire } from './wire.ts'

/** The longest line that either side may send, bytes. */
export const MAX_LINE = 65_536
const ANSWER_MS = 10_000

/** Which device a stream shall lead to: by its serial number, by its port, or the only one there is. */
export type Target = { serial: string } | { path: string } | 'only'

/** What a program asks of the agent, one line of JSON. */
export type TunnelRequest = { do: 'list' } | { do: 'open'; serial?: string; path?: string } | { do: 'page' }

/** A device that the agent sees, as it tells programs of this user. */
export interface AgentDevice {
  /** Its port on this machine; `https://…` for one that announced itself on the LAN. */
  path: string
  /** Serial number of the device; `null` before it said anything. */
  serial: string | null
  /** State that it announced; `null` while it does not answer. */
  state: string | null
  /** Enrolments of this user with the device that it claims to be. */
  enrolments: string[]
  /** Whether it proved to be that device; `null` before it was asked, or where nobody is enrolled. */
  proved: boolean | null
  /** Changes whenever the agent and the device lost each other; `null` while they do not hear each other. */
  greeting: string | null
  /** What is wrong. */
  problem?: string
  /** What to do about it. */
  hint?: string
}

/**
 * Where the agent of this user listens; programs and agent derive it alike.
 *
 * @param env - `process.env`, of which `CLAVIGER_HOME` and `XDG_RUNTIME_DIR` are read
 * @returns path of a UNIX socket, or name of a pipe on Windows
 */
export function agentSocket(env: NodeJS.ProcessEnv, platform: NodeJS.Platform = process.platform): string {
  if (platform === 'win32') return `\\\\.\\pipe\\claviger-agent-${userInfo().username}`
  if (!env.CLAVIGER_HOME && env.XDG_RUNTIME_DIR) return join(env.XDG_RUNTIME_DIR, 'claviger', 'agent.sock')
  return join(profileDirectory(env), 'agent.sock')
}

/**
 * Asks the agent.
 *
 * @returns its answer and the connection, of which the answer has been read; `null` where no agent runs
 * @throws ConnectionError with what the agent refused for; `bad-response`
 */
export async function askAgent(
  socketPath: string,
  request: TunnelRequest,
): Promise<{ answer: Record<string, unknown>; socket: Socket } | null> {
  const socket = await connectTo(socketPath)
  if (!socket) return null
  try {
    socket.write(`${JSON.stringify(request)}\n`)
    const answer = readObject(await readLine(socket, ANSWER_MS))
    if (answer.ok === true) return { answer, socket }
    const { message, hint } = answer
    if (typeof message !== 'string') throw new ConnectionError('bad-response', 'the agent gave no reason')
    throw new ConnectionError('unreachable', message, typeof hint === 'string' ? { hint } : {})
  } catch (error) {
    socket.destroy()
    throw error
  }
}

/**
 * The devices that the agent sees.
 *
 * @param socketPath - as {@link agentSocket} says
 * @returns `null` where no agent runs
 * @throws {@link ConnectionError} `unreachable` with what the agent refused for; `link-failed`, `bad-response`
 */
export async function devicesOfAgent(socketPath: string): Promise<AgentDevice[] | null> {
  const asked = await askAgent(socketPath, { do: 'list' })
  asked?.socket.destroy()
  return asked && (asked.answer.devices as AgentDevice[])
}

/**
 * Where the agent's page is, with a code that lets one browser in.
 *
 * @returns `null` where no agent runs
 * @throws as {@link askAgent}, also where the agent serves no page
 */
export async function pageOfAgent(socketPath: string): Promise<string | null> {
  const asked = await askAgent(socketPath, { do: 'page' })
  asked?.socket.destroy()
  if (!asked) return null
  if (typeof asked.answer.url === 'string') return asked.answer.url
  throw new ConnectionError('bad-response', 'the agent did not say where its page is')
}

/** A wire through the agent: each connection is a session of its own, which the agent cannot read. */
export function tunnelWire(socketPath: string, target: Target, address: string): Wire {
  const where = target === 'only' ? {} : target
  return {
    address,
    open: async () => {
      const asked = await askAgent(socketPath, { do: 'open', ...where })
      if (asked) return asked.socket
      throw new ConnectionError('unreachable', 'the claviger agent has ended', {
        hint: 'start it again: claviger agent',
      })
    },
    greeting: async () => {
      const devices = (await devicesOfAgent(socketPath)) ?? []
      const fitting = devices.filter(device => isTarget(device, target))
      return (fitting.find(({ proved }) => proved) ?? fitting[0])?.greeting ?? null
    },
    close: async () => {},
  }
}

function isTarget({ path, serial }: AgentDevice, target: Target): boolean {
  if (target === 'only') return true
  return 'path' in target ? target.path === path : target.serial === serial
}

/** `null` where nobody listens. */
function connectTo(path: string): Promise<Socket | null> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    const fail = (error: NodeJS.ErrnoException) => {
      if (['ENOENT', 'ECONNREFUSED', 'ENOTDIR'].includes(error.code ?? '')) resolve(null)
      else reject(unreachable(path, error))
    }
    socket.once('error', fail)
    socket.once('connect', () => {
      socket.off('error', fail)
      socket.on('error', () => {})
      resolve(socket)
    })
  })
}

/**
 * Takes one line off a socket; what follows it stays to be read.
 *
 * @throws ConnectionError `link-failed` when the line does not come in time, or is too long
 */
export function readLine(socket: Socket, timeout: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = Buffer.alloc(0)
    const timer = setTimeout(() => fail('said nothing'), timeout)
    const done = () => {
      clearTimeout(timer)
      socket.off('readable', take).off('end', ended).off('close', ended)
    }
    const fail = (what: string) => {
      done()
      reject(new ConnectionError('link-failed', `the other end of the tunnel ${what}`))
    }
    const ended = () => fail('closed it')
    const take = () => {
      for (let chunk = socket.read(); chunk !== null; chunk = socket.read()) {
        const end = (chunk as Buffer).indexOf(0x0a)
        text = Buffer.concat([text, end < 0 ? chunk : chunk.subarray(0, end)])
        if (text.length > MAX_LINE) return fail('sent a line that is too long')
        if (end < 0) continue
        done()
        if (end + 1 < chunk.length) socket.unshift(chunk.subarray(end + 1))
        return resolve(text.toString('utf8'))
      }
    }
    socket.on('readable', take).on('end', ended).on('close', ended)
    take()
  })
}

/** @throws ConnectionError `bad-response` for a line that is no JSON object */
export function readObject(line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>
  } catch {
    // told below
  }
  throw new ConnectionError('bad-response', 'a line of the tunnel is not a JSON object')
}
