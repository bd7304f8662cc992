/**
 * How many connections the LAN gets, so that a flood from one machine, or from many, costs the others nothing. Pure: the
 * time is passed in, and connections are whatever the caller names them.
 *
 * An address from which an enrolled agent was answered is *known*; all others are strangers, and share a small part. What has not
 * finished its handshake has to make room for what is new, the oldest first: an agent's handshake takes milliseconds,
 * one that is kept open on purpose grows old.
 */

/** Connections that may begin: `burst` at once, then so many per second. */
export interface Rate {
  perSecond: number
  burst: number
}

/** Limits of one LAN port. */
export interface LanLimits {
  /** Open connections, of all. */
  connections: number
  /** The last so many of them are for known addresses. */
  reserved: number
  /** Open connections of one address. */
  ofAddress: number
  /** Handshakes under way of one address. */
  handshakesOfAddress: number
  /** Handshakes under way of all strangers. */
  handshakesOfStrangers: number
  known: Rate
  stranger: Rate
  /** Of all strangers together. */
  strangers: Rate
}

/** A workstation's client keeps 32 connections at most, so an address can hold several of them. */
export const LAN_LIMITS: LanLimits = {
  connections: 512,
  reserved: 128,
  ofAddress: 256,
  handshakesOfAddress: 64,
  handshakesOfStrangers: 64,
  known: { perSecond: 50, burst: 200 },
  stranger: { perSecond: 10, burst: 48 },
  strangers: { perSecond: 25, burst: 64 },
}

/** Addresses that are remembered, of each kind; the one that was quiet for longest makes room. */
const MAX_ADDRESSES = 4096
/** A known address that was quiet for so long is a stranger again, ms. */
const KNOWN_FOR = 30 * 86_400_000

/** Counts of what was done with connections since the start. */
export interface LanCounters {
  accepted: number
  /** Not from the LAN. */
  elsewhere: number
  /** From an address that has to wait after refusals. */
  waiting: number
  /** Beyond a limit. */
  refused: number
  /** Ended for a newer one. */
  displaced: number
}

interface Connection<C> {
  id: C
  address: string
  stranger: boolean
  secured: boolean
}

interface Bucket {
  tokens: number
  filled: number
}

export class Admissions<C> {
  readonly #limits: LanLimits
  /** In the order in which they came. */
  readonly #open = new Map<C, Connection<C>>()
  readonly #ofAddress = new Map<string, Set<Connection<C>>>()
  readonly #buckets = new Map<string, Bucket>()
  readonly #known = new Map<string, number>()
  readonly #strangers: Bucket

  constructor(limits: LanLimits = LAN_LIMITS) {
    this.#limits = limits
    this.#strangers = { tokens: limits.strangers.burst, filled: 0 }
  }

  get size(): number {
    return this.#open.size
  }

  isKnown(address: string, now: number): boolean {
    const latest = this.#known.get(address)
    return latest !== undefined && now - latest < KNOWN_FOR
  }

  /**
   * Takes a new connection, or does not.
   *
   * @param now ms of a clock that does not go back
   * @returns `null` when it must be refused, else the connections that must end for it
   */
  admit(id: C, address: string, now: number): C[] | null {
    const stranger = !this.isKnown(address, now)
    if (!this.#takeToken(address, stranger, now)) return null
    const displaced = this.#makeRoom(address, stranger)
    if (displaced === null) return null
    for (const connection of displaced) this.closed(connection.id)
    const connection = { id, address, stranger, secured: false }
    this.#open.set(id, connection)
    const siblings = this.#ofAddress.get(address) ?? new Set()
    this.#ofAddress.set(address, siblings.add(connection))
    return displaced.map(({ id }) => id)
  }

  /** Its handshake is done. */
  secured(id: C): void {
    const connection = this.#open.get(id)
    if (connection) connection.secured = true
  }

  /** An enrolled agent on it was answered. */
  proven(id: C, now: number): void {
    const connection = this.#open.get(id)
    if (!connection) return
    connection.stranger = false
    remember(this.#known, connection.address, now)
  }

  closed(id: C): void {
    const connection = this.#open.get(id)
    if (!connection) return
    this.#open.delete(id)
    const siblings = this.#ofAddress.get(connection.address)!
    siblings.delete(connection)
    if (siblings.size === 0) this.#ofAddress.delete(connection.address)
  }

  #takeToken(address: string, stranger: boolean, now: number): boolean {
    const { known, stranger: alone, strangers } = this.#limits
    const rate = stranger ? alone : known
    const bucket = this.#buckets.get(address) ?? { tokens: rate.burst, filled: now }
    remember(this.#buckets, address, bucket)
    if (!take(bucket, rate, now)) return false
    return !stranger || take(this.#strangers, strangers, now)
  }

  /** What has to end for one more connection of this address; `null` when there is nothing that may. */
  #makeRoom(address: string, stranger: boolean): Connection<C>[] | null {
    const { connections, reserved, ofAddress, handshakesOfAddress, handshakesOfStrangers } = this.#limits
    const siblings = this.#ofAddress.get(address) ?? new Set()
    const own = [...siblings].filter(({ secured }) => !secured)
    if (siblings.size >= ofAddress || own.length >= handshakesOfAddress) return own[0] ? [own[0]] : null
    const unfinished = [...this.#open.values()].filter(({ secured }) => !secured)
    const strangers = unfinished.filter(connection => connection.stranger)
    if (stranger && strangers.length >= handshakesOfStrangers) return [strangers[0]!]
    if (this.#open.size < connections - (stranger ? reserved : 0)) return []
    const oldest = strangers[0] ?? (stranger ? undefined : unfinished[0])
    return oldest ? [oldest] : null
  }
}

function take(bucket: Bucket, { perSecond, burst }: Rate, now: number): boolean {
  const gained = (Math.max(0, now - bucket.filled) * perSecond) / 1000
  bucket.tokens = Math.min(burst, bucket.tokens + gained)
  bucket.filled = now
  if (bucket.tokens < 1) return false
  bucket.tokens -= 1
  return true
}

/** Keeps the map in the order of the latest use, and bounded. */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key)
  map.set(key, value)
  if (map.size > MAX_ADDRESSES) map.delete(map.keys().next().value!)
}
