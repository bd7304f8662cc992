/** Slots, tokens and mechanisms: what an application can know before it has a session. */
import { CKF, CKM, CKR, refuse } from '../constants.ts'
import type { TokenSource } from '../house.ts'
import type { Sessions } from '../sessions.ts'
import type { Handlers } from './handler.ts'

const MAKER = 'Claviger'
const VERSION = [1, 0] as const
const UNAVAILABLE = -1

/** Longest PIN, bytes. */
export const LONGEST_PIN = 1024

/** What is told of a mechanism: sizes of keys in bits, and what for. */
const MECHANISMS = new Map<number, [least: number, most: number, flags: number]>([
  [CKM.RSA_PKCS, [1024, 4096, CKF.MECHANISM_HW | CKF.MECHANISM_DECRYPT]],
  [CKM.RSA_PKCS_OAEP, [1024, 4096, CKF.MECHANISM_HW | CKF.MECHANISM_DECRYPT]],
  [CKM.ECDH1_DERIVE, [255, 256, CKF.MECHANISM_HW | CKF.MECHANISM_DERIVE | CKF.MECHANISM_EC_F_P]],
])

type Calls =
  | 'getInfo'
  | 'getSlotList'
  | 'getSlotInfo'
  | 'getTokenInfo'
  | 'getMechanismList'
  | 'getMechanismInfo'

export function tokenCalls(house: TokenSource, sessions: Sessions): Handlers<Calls> {
  return {
    getInfo: (_, out) =>
      out
        .version(2, 40)
        .padded(MAKER, 32)
        .ulong(0)
        .padded('keys of a Claviger device', 32)
        .version(...VERSION),
    getSlotList: async ([presentOnly, room], out) => {
      const { isThere, tokens } = await house.look()
      const slots = presentOnly && !isThere ? [] : tokens.map(({ slot }) => slot)
      out.ulongs(slots, room)
    },
    getSlotInfo: async ([slot], out) => {
      const { label } = await sessions.token(slot)
      const { isThere } = await house.look()
      const flags = CKF.SLOT_REMOVABLE_DEVICE | (isThere ? CKF.SLOT_TOKEN_PRESENT : 0)
      out
        .padded(`Claviger: ${label}`, 64)
        .padded(MAKER, 32)
        .ulong(flags)
        .version(...VERSION)
        .version(...VERSION)
    },
    getTokenInfo: async ([slot], out) => {
      const { label, serial } = await sessions.token(slot)
      if (!(await house.look()).isThere) refuse(CKR.TOKEN_NOT_PRESENT)
      const login = house.wantsPin ? CKF.TOKEN_LOGIN_REQUIRED : 0
      out.padded(label, 32).padded(MAKER, 32).padded('Claviger', 16).padded(serial, 16)
      out.ulong(CKF.TOKEN_INITIALIZED | CKF.TOKEN_USER_PIN_INITIALIZED | login)
      // sessions without a limit, none of them counted; then the lengths of a PIN; then memory
      out.ulong(0).ulong(UNAVAILABLE).ulong(0).ulong(UNAVAILABLE).ulong(LONGEST_PIN).ulong(0)
      for (let i = 0; i < 4; i++) out.ulong(UNAVAILABLE)
      out
        .version(...VERSION)
        .version(...VERSION)
        .padded('', 16)
    },
    getMechanismList: async ([slot, room], out) => out.ulongs(await mechanismsOf(sessions, slot), room),
    getMechanismInfo: async ([slot, type], out) => {
      const isThere = (await mechanismsOf(sessions, slot)).includes(type)
      const [least, most, flags] = (isThere && MECHANISMS.get(type)) || refuse(CKR.MECHANISM_INVALID)
      out.ulong(least).ulong(most).ulong(flags)
    },
  }
}

async function mechanismsOf(sessions: Sessions, slot: number): Promise<number[]> {
  const { objects } = await sessions.token(slot)
  const derives = objects.some(({ key }) => key.kind === 'derive')
  return [...MECHANISMS.keys()].filter(type => type !== CKM.ECDH1_DERIVE || derives)
}
