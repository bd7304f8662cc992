/**
 * The Fastify app: one `https.Server`, every route, no idea of which wire a connection came over.
 *
 * TLS 1.3 with client certificates only. The certificates that a chain may end in come from the keeper, and change
 * with its state; whoever has none of them does not get past the handshake.
 */
import type { TLSSocket } from 'node:tls'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { ClavigerError } from '../../protocol/api/errors.ts'
import { admit, MAX_BODY, ROUTES, type RouteName, type State } from '../../protocol/api/routes.ts'
import { Problem, SCHEMAS } from '../../protocol/api/schemas.ts'
import { toPem } from '../../protocol/identity/certificate.ts'
import type { KeeperClient } from '../keeper/rpc/client.ts'
import type { Caller } from '../keeper/rpc/messages.ts'
import { certifiedStanding } from '../standing.ts'
import { Callers } from './callers.ts'
import type { DeviceIdentity, RememberedAuthority } from './identity.ts'
import { refuseConnection, sendProblem } from './problems.ts'
import { agentRoutes } from './routes/agents.ts'
import { decryptRoute } from './routes/decrypt.ts'
import { deviceRoutes } from './routes/device.ts'
import { keyRoutes } from './routes/keys.ts'
import { Stretcher } from './stretch.ts'

/** What the routes stand on. */
export interface Gate {
  app: FastifyInstance
  keeper: KeeperClient
  identity: DeviceIdentity
  /** Where passphrases and PINs become bytes. */
  stretcher: Stretcher
  /** State of the keeper as it last told; `null` while the keeper was never heard. */
  state(): State | null
  /** Mounts one route of the table. */
  mount(name: RouteName, handler: (request: FastifyRequest, caller: Caller) => unknown): void
}

/** What differs between a device, a test and the demo. */
export interface GateOptions {
  keeper: KeeperClient
  identity: DeviceIdentity
  /** Proof of the claim secret for the status answer of an unprovisioned device. */
  claim?: Uint8Array | undefined
  /** Name of the device, for people. */
  name: string
  version: string
  /** Memory of argon2id for new passphrases and PINs, KiB; less than the default is for tests. */
  argon2Memory?: number | undefined
  /** Lets agents in to hear what is wrong when the keystore is damaged. */
  authority?: RememberedAuthority
  /** Newest snapshot of the health process; `null` while there is none. */
  health(): Record<string, unknown> | null
  /** Counters of the serial link; `null` where there is no serial line. */
  linkCounters(): Record<string, number> | null
}

declare module 'fastify' {
  interface FastifyInstance {
    /** State of the keeper as it last told; `null` while it was never heard. */
    deviceState(): State | null
    /** Calls back at every change of the state. */
    onDeviceState(listener: (state: State) => void): void
  }
}

/** Builds the app; nothing listens yet. */
export async function buildApp(options: GateOptions): Promise<FastifyInstance> {
  const { keeper, identity } = options
  const tls = {
    key: identity.key,
    cert: identity.certificate,
    minVersion: 'TLSv1.3' as const,
    requestCert: true,
    rejectUnauthorized: true,
  }
  let state: State | null = null
  const app = Fastify({
    https: { ...tls, ca: [] },
    bodyLimit: MAX_BODY,
    requestTimeout: 30_000,
    exposeHeadRoutes: false,
    forceCloseConnections: true,
    // What fails before there is a route, or a request, gets a problem document too.
    frameworkErrors: (error: unknown, _request: unknown, reply: FastifyReply) => {
      sendProblem(reply, error, state)
    },
    clientErrorHandler: refuseConnection,
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
  }) as unknown as FastifyInstance
  const callers = new Callers()

  keeper.on('trust', ({ state: now, issuers }) => {
    state = now as State
    ;(app.server as unknown as { setSecureContext(options: object): void }).setSecureContext({
      ...tls,
      ca: trusted(now as State, issuers, options.authority).map(toPem),
    })
  })
  keeper.on('revoked', ({ pins }) => callers.disconnect(pins))
  app.server.prependListener('secureConnection', (socket: TLSSocket) => {
    if (!callers.add(socket)) socket.destroy()
    // Over a JS Duplex, llhttp pauses for good on bodies over 64 KiB unless somebody listens to the socket.
    else if (socket.remoteAddress === undefined) socket.on('data', () => {})
  })

  const mount: Gate['mount'] = (name, handler) => {
    const { method, path, summary } = ROUTES[name]
    const { body, params, answer } = SCHEMAS[name]
    app.route({
      method,
      url: path,
      schema: {
        summary,
        ...(body ? { body } : {}),
        ...(params ? { params } : {}),
        response: { 200: answer, default: Problem },
      },
      onRequest: async request => {
        if (state === null) throw new ClavigerError('keeper-unavailable')
        const caller = callers.of(request.raw.socket)
        const refusal = admit(name, caller ? certifiedStanding(caller, state) : null, state)
        if (refusal === null) return
        // The certificate of a revoked agent still names its role; that it is revoked, only the keeper knows.
        if (caller && refusal !== 'unknown-agent') await keeper.call('admit', caller, { route: name })
        throw new ClavigerError(refusal)
      },
      handler: request => handler(request, callers.of(request.raw.socket)!),
    })
  }
  app.decorate('deviceState', () => state)
  app.decorate('onDeviceState', (listener: (state: State) => void) => {
    keeper.on('trust', trust => listener(trust.state as State))
  })
  const stretcher = new Stretcher({ memory: options.argon2Memory })
  const gate: Gate = { app, keeper, identity, stretcher, state: () => state, mount }

  app.setErrorHandler((error, _request, reply) => sendProblem(reply, error, state))
  app.setNotFoundHandler((_request, reply) => sendProblem(reply, new ClavigerError('unknown-route'), state))
  deviceRoutes(gate, options)
  keyRoutes(gate)
  agentRoutes(gate)
  decryptRoute(gate)
  await app.ready()
  keeper.connect()
  return app
}

/** The certificates that a client's chain may end in. The keeper names its authority first, when it can. */
function trusted(
  state: State,
  issuers: readonly Uint8Array[],
  remembered: RememberedAuthority | undefined,
): readonly Uint8Array[] {
  const [authority] = issuers
  if (state === 'failed') return remembered?.certificate ? [remembered.certificate] : []
  if (authority && state !== 'unprovisioned') remembered?.keep(authority)
  return issuers
}
