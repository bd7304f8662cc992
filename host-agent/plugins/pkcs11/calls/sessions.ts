/** Opening and closing sessions, and the PIN. */
import { CKF, CKR, CKU, refuse } from '../constants.ts'
import type { Sessions } from '../sessions.ts'
import type { Handlers } from './handler.ts'
import { LONGEST_PIN } from './tokens.ts'

type Calls = 'openSession' | 'closeSession' | 'closeAllSessions' | 'getSessionInfo' | 'login' | 'logout'

export function sessionCalls(sessions: Sessions): Handlers<Calls> {
  return {
    openSession: async ([slot, flags], out) => out.ulong((await sessions.open(slot, flags)).handle),
    closeSession: ([session]) => sessions.close(sessions.get(session)),
    closeAllSessions: async ([slot]) => {
      await sessions.token(slot)
      sessions.closeAll(slot)
    },
    getSessionInfo: ([handle], out) => {
      const session = sessions.get(handle)
      const flags = CKF.SESSION_SERIAL | (session.isReadWrite ? CKF.SESSION_RW : 0)
      out.ulong(session.slot).ulong(sessions.stateOf(session)).ulong(flags).ulong(0)
    },
    login: async ([handle, user, pin]) => {
      const session = sessions.get(handle)
      if (user !== CKU.USER) refuse(CKR.USER_TYPE_INVALID)
      if (!pin) return refuse(CKR.ARGUMENTS_BAD)
      try {
        if (pin.length > LONGEST_PIN) refuse(CKR.PIN_INCORRECT)
        await sessions.login(session, pin)
      } finally {
        pin.fill(0)
      }
    },
    logout: ([handle]) => sessions.logout(sessions.get(handle)),
  }
}
