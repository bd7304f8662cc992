/** Certificates at the edge of HTTP: the one that the caller showed in its handshake, and those we answer with. */
import type { TLSSocket } from 'node:tls'
import type { FastifyRequest } from 'fastify'
import type { Certificates } from '../../../protocol/api/schemas.ts'
import { toBase64url } from '../../../protocol/bytes.ts'
import type { Issued } from '../../keeper/rpc/messages.ts'

/** DER of the certificate whose key the caller proved to hold in the handshake. */
export function peerCertificate(request: FastifyRequest): Uint8Array {
  return new Uint8Array((request.raw.socket as TLSSocket).getPeerX509Certificate()!.raw)
}

export function certificatesOf({
  certificate,
  authority,
  logKey,
  name,
  namespace,
  role,
}: Issued): Certificates {
  return {
    certificate: toBase64url(certificate),
    authority: toBase64url(authority),
    logKey,
    name,
    namespace,
    role: role as Certificates['role'],
  }
}
