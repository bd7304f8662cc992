/** Who is on the other end of a TLS connection, and ending the connections of agents who are revoked. */
import type { TLSSocket } from 'node:tls'
import { readCertificate, spkiPin, subjectOf } from '../../protocol/identity/certificate.ts'
import type { Caller } from '../keeper/rpc/messages.ts'

/** The open TLS connections by the pin of their caller. */
export class Callers {
  readonly #callers = new WeakMap<TLSSocket, Caller>()
  readonly #sockets = new Map<string, Set<TLSSocket>>()

  /**
   * Reads the caller's certificate once per connection.
   *
   * @returns `false` for a certificate that is not of our form
   */
  add(socket: TLSSocket): boolean {
    const certificate = socket.getPeerX509Certificate()
    if (!socket.authorized || !certificate) return false
    try {
      const { subject } = readCertificate(certificate.raw)
      const issuer = subjectOf(certificate.issuer)
      if (!issuer) return false
      const pin = spkiPin(certificate.publicKey)
      this.#callers.set(socket, { pin, ...subject, issuer })
      this.#track(Buffer.from(pin).toString('hex'), socket)
      return true
    } catch {
      return false
    }
  }

  #track(pin: string, socket: TLSSocket): void {
    const sockets = this.#sockets.get(pin) ?? new Set()
    this.#sockets.set(pin, sockets.add(socket))
    socket.once('close', () => {
      sockets.delete(socket)
      if (sockets.size === 0 && this.#sockets.get(pin) === sockets) this.#sockets.delete(pin)
    })
  }

  /** The caller on this connection, if it was admitted. */
  of(socket: unknown): Caller | undefined {
    return this.#callers.get(socket as TLSSocket)
  }

  /** Ends every connection of these callers. */
  disconnect(pins: readonly Uint8Array[]): void {
    for (const pin of pins)
      for (const socket of this.#sockets.get(Buffer.from(pin).toString('hex')) ?? []) socket.destroy()
  }
}
