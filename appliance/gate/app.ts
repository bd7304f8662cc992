/**
 * The Fastify app: one `https.Server`, every route, no idea of which wire a connection came over.
 *
 * TLS 1.3 with client certificates only. The certificates that a chain may end in come from the keeper, and change
 * with its state; whoever has none of them does not get past the handshake.
 */
import { constants } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { ClavigerError } from '../../protocol/api/errors.ts'
import { admit, MAX_BODY, ROUTES, type Route, type RouteName, type State } from '../../protocol/api/routes.ts'
import { Problem, SCHEMAS } from '../../protocol/api/schemas.ts'
import type { KeeperClient } from '../keeper/rpc/client.ts'
import type { Caller } from '../keeper/rpc/messages.ts'
import { certifiedStanding } from '../standing.ts'
import { Callers } from './callers.ts'
import { LAZY_COMPILERS } from './compilers.ts'
import type { DeviceIdentity, RememberedAuthorities } from './identity.ts'
import { refuseConnection, sendProblem } from './problems.ts'
import type { Refusals } from './refusals.ts'
import { agentRoutes } from './routes/agents.ts'
import { auditRoutes } from './routes/audit.ts'
import { decryptRoute } from './routes/decrypt.ts'
import { deviceRoutes } from './routes/device.ts'
import { eventsRoute } from './routes/events.ts'
import { healthRoutes } from './routes/health.ts'
import { keyRoutes } from './routes/keys.ts'
import { policyRoutes } from './routes/policy.ts'
import { Stretcher } from './stretch.ts'
import { Trust } from './trust.ts'

/** What the routes stand on. */
export interface Gate {
  app: FastifyInstance
  keeper: KeeperClient
  identity: DeviceIdentity
  /** Where passphrases and PINs become bytes. */
  stretcher: Stretcher
  /** State of a namespace as the keeper last told; `null` for one that it never named. */
  stateOf(namespace: string): State | null
  /** Mounts one route of the table. */
  mount(
    name: RouteName,
    handler: (request: FastifyRequest, caller: Caller, reply: FastifyReply) => unknown,
  ): void
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
  authorities?: RememberedAuthorities
  /** Counts who was refused, so that addresses that are refused again and again can be made to wait. */
  refusals?: Refusals
  /** Whether a caller may come from an address; `undefined` on the serial line. Whoever may not is as good as unknown. */
  mayComeFrom?(caller: Caller, address: string | undefined): boolean
  /** Newest snapshot of the health process; `null` while there is none. */
  health(): Record<string, unknown> | null
  /** Counters of the serial link; `null` where there is no serial line. */
  linkCounters(): Record<string, number> | null
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The state that anybody may be told; `null` while the keeper was never heard. */
    deviceState(): State | null
    /** Calls back each time that the keeper tells the state of a namespace. */
    onState(listener: (namespace: string, state: State) => void): void
    /** Calls back each time that the keeper tells how many requests of a namespace wait for a press of the button. */
    onTouch(listener: (namespace: string, count: number) => void): void
  }
}

/** How long anybody may take, ms; and how much they may say before they said what they want, bytes. */
const LIMITS = {
  handshakeTimeout: 10_000,
  headersTimeout: 10_000,
  /** How often the two above and below are looked at. */
  connectionsCheckingInterval: 2000,
  maxHeaderSize: 8192,
}
/** For a whole request, and between requests, ms. */
const REQUEST_TIMEOUT = 30_000
const KEEP_ALIVE_TIMEOUT = 72_000

/** Builds the app; nothing listens yet. */
export async function buildApp(options: GateOptions): Promise<FastifyInstance> {
  const { keeper, identity } = options
  const tls = {
    key: identity.key,
    cert: identity.certificate,
    minVersion: 'TLSv1.3' as const,
    requestCert: true,
    rejectUnauthorized: true,
    // Without tickets of its own making OpenSSL can resume no session: each connection shows its certificate anew.
    secureOptions: constants.SSL_OP_NO_TICKET,
  }
  const trust = new Trust(options.authorities)
  const stateOf = (namespace: string) => trust.stateOf(namespace)
  const app = Fastify({
    https: { ...tls, ...LIMITS },
    bodyLimit: MAX_BODY,
    requestTimeout: REQUEST_TIMEOUT,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT,
    exposeHeadRoutes: false,
    forceCloseConnections: true,
    // What fails before there is a route, or a request, gets a problem document too.
    frameworkErrors: (error: unknown, _request: unknown, reply: FastifyReply) => {
      sendProblem(reply, error, null)
    },
    clientErrorHandler: refuseConnection,
    schemaController: { compilersFactory: LAZY_COMPILERS },
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
  }) as unknown as FastifyInstance
  const callers = new Callers()

  keeper.on('trust', params => {
    trust.update(params)
    trust.apply()
    ;(app.server as unknown as { setSecureContext(options: object): void }).setSecureContext(tls)
  })
  keeper.on('revoked', ({ pins }) => callers.disconnect(pins))
  app.server.prependListener('secureConnection', (socket: TLSSocket) => {
    if (!callers.add(socket)) socket.destroy()
    // Over a JS Duplex, llhttp pauses for good on bodies over 64 KiB unless somebody listens to the socket.
    else if (socket.remoteAddress === undefined) socket.on('data', () => {})
  })

  app.server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
    if (isRefusal(error)) options.refusals?.refused(socket.remoteAddress)
    // An answer to it would wait for the end of the handshake for ever.
    if (error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT') socket.destroy()
  })
  app.addHook('onResponse', async (request, reply) => {
    if (reply.statusCode === 401 || reply.statusCode === 403)
      options.refusals?.refused(request.raw.socket.remoteAddress)
  })

  const mount: Gate['mount'] = (name, handler) => {
    const { method, path, summary }: Route = ROUTES[name]
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
        if (trust.publicState === null) throw new ClavigerError('keeper-unavailable')
        const { socket } = request.raw
        const caller = callers.of(socket)
        const state = caller ? stateOf(caller.namespace) : null
        if (caller && options.mayComeFrom?.(caller, socket.remoteAddress) === false)
          throw new ClavigerError('unknown-agent')
        // To somebody of a namespace that is not here, it is as if the device did not know them.
        if (!caller || state === null) throw new ClavigerError('unknown-agent')
        const refusal = admit(name, certifiedStanding(caller, state), state)
        if (refusal === null) return
        // The certificate of a revoked agent still names its role; that it is revoked, only the keeper knows.
        if (refusal !== 'unknown-agent') await keeper.call('admit', caller, { route: name })
        throw new ClavigerError(refusal)
      },
      handler: (request, reply) => handler(request, callers.of(request.raw.socket)!, reply),
    })
  }
  app.decorate('deviceState', () => trust.publicState)
  app.decorate('onState', (listener: (namespace: string, state: State) => void) => {
    keeper.on('trust', ({ namespace, state }) => listener(namespace, state as State))
  })
  app.decorate('onTouch', (listener: (namespace: string, count: number) => void) => {
    keeper.on('touch', ({ namespace, count }) => listener(namespace, count))
  })
  const stretcher = new Stretcher({ memory: options.argon2Memory })
  const gate: Gate = { app, keeper, identity, stretcher, stateOf, mount }

  const stateFor = (request: FastifyRequest) => {
    const caller = callers.of(request.raw.socket)
    return caller ? stateOf(caller.namespace) : null
  }
  app.setErrorHandler((error, request, reply) => sendProblem(reply, error, stateFor(request)))
  app.setNotFoundHandler((_request, reply) => sendProblem(reply, new ClavigerError('unknown-route'), null))
  deviceRoutes(gate, options)
  keyRoutes(gate)
  agentRoutes(gate)
  decryptRoute(gate)
  policyRoutes(gate)
  auditRoutes(gate)
  healthRoutes(gate, options)
  eventsRoute(gate)
  await app.ready()
  keeper.connect()
  return app
}

/** A handshake that we refused; one that the other end gave up is no refusal. */
function isRefusal({ code = '' }: NodeJS.ErrnoException): boolean {
  return code !== 'ECONNRESET' && code !== 'EPIPE'
}
