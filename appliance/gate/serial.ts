/** The serial wire: link sessions over one line, each handed to the app's `https.Server` like a TCP connection. */
import type { FastifyInstance } from 'fastify'

/** A line that is being served. */
export interface SerialListener {
  /** Counters of the link. */
  counters(): Record<string, number>
  close(): Promise<void>
}

export async function listenOnSerial(
  app: FastifyInstance,
  path: string,
  hello: { device: string; state(): string },
): Promise<SerialListener> {
  throw new Error(`${path} ${hello.device} ${app}`)
}
