/**
 * Which certificates TLS lets in: those that the keeper names, of all namespaces together, and which state each is in.
 *
 * They are put in the place of the process's default authorities, not in the server's own list: OpenSSL tells the names of
 * the latter to everybody who starts a handshake, and they would tell which namespaces and open invitations there are.
 */
import { setDefaultCACertificates } from 'node:tls'
import type { State } from '../../protocol/api/routes.ts'
import { toPem } from '../../protocol/identity/certificate.ts'
import type { EventParams } from '../keeper/rpc/messages.ts'
import type { RememberedAuthorities } from './identity.ts'

/** What a namespace trusts, and the state it is in. */
interface Part {
  state: State
  issuers: readonly Uint8Array[]
}

export class Trust {
  readonly #parts = new Map<string, Part>()
  readonly #remembered: RememberedAuthorities | undefined

  constructor(remembered: RememberedAuthorities | undefined) {
    this.#remembered = remembered
  }

  /** Takes what the keeper tells of one namespace. */
  update({ namespace, state, issuers }: EventParams<'trust'>): void {
    this.#parts.set(namespace, {
      state: state as State,
      issuers: this.#trusted(namespace, state as State, issuers),
    })
  }

  /** Makes the contexts that are made from now on trust exactly these certificates. */
  apply(): void {
    const issuers = [...this.#parts.values()].flatMap(({ issuers }) => issuers)
    setDefaultCACertificates(issuers.map(toPem))
  }

  /** State of a namespace; `null` for one that the keeper never named. */
  stateOf(namespace: string): State | null {
    return this.#parts.get(namespace)?.state ?? null
  }

  /**
   * What may be told to anybody: the state of the only namespace. Of several it would tell one shop of another, so it is
   * `operational` then; `null` while the keeper was never heard.
   */
  get publicState(): State | null {
    const [first, second] = this.#parts.values()
    return second ? 'operational' : (first?.state ?? null)
  }

  /** The certificates that a chain may end in. The keeper names its authority first, when it can. */
  #trusted(namespace: string, state: State, issuers: readonly Uint8Array[]): readonly Uint8Array[] {
    const [authority] = issuers
    if (state === 'failed') {
      const known = this.#remembered?.certificate(namespace)
      return known ? [known] : []
    }
    if (authority && state !== 'unprovisioned') this.#remembered?.keep(namespace, authority)
    return issuers
  }
}
