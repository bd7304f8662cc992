/** What the keeper's methods stand on. */
import { ClavigerError } from '../../protocol/api/errors.ts'
import type { Provision } from '../provision.ts'
import type { Presence } from './panel/presence.ts'
import type { Recorder } from './recorder.ts'
import type { Caller } from './rpc/messages.ts'
import type { SealedAgent } from './sealed-state.ts'
import type { Tickets } from './tickets.ts'
import { hex, type Unlocked } from './unlocked.ts'
import type { Vault } from './vault.ts'

/** The keeper, as far as a method needs it. */
export interface Service {
  vault: Vault
  recorder: Recorder
  /** The first administrator of the namespace, from the card; ignored once there is a keystore. */
  provision: Provision | null
  /** The 32 bytes of the systemd credential `device-secret`. */
  deviceSecret: Uint8Array
  /** Requests that wait for a press of the device's button. */
  presence: Presence
  /** What private keys that come in are sealed to. */
  tickets: Tickets
  /** Seconds since 1970. */
  now(): number
}

/** @throws ClavigerError `wrong-state`: the device was locked after the request was admitted */
export function operational({ vault, recorder }: Service): Unlocked {
  if (!vault.unlocked || recorder.chronicle.lockdown) throw new ClavigerError('wrong-state')
  return vault.unlocked
}

/** The registry's entry of a caller. */
export function agentOf(unlocked: Unlocked, caller: Caller): SealedAgent | undefined {
  return unlocked.agents.get(hex(caller.pin))
}
