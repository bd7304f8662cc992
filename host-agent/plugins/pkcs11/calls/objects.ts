/** Finding objects and reading what is told of them. */
import { CKA, CKR, refuse } from '../constants.ts'
import type { Sessions } from '../sessions.ts'
import { isSame, writeAttribute } from '../wire/attributes.ts'
import type { Handlers } from './handler.ts'

/** Of a private key: that they are there is no secret, they are. */
const SENSITIVE: ReadonlySet<number> = new Set([
  CKA.VALUE,
  CKA.PRIVATE_EXPONENT,
  ...Array.from({ length: CKA.COEFFICIENT - CKA.PRIME_1 + 1 }, (_, i) => CKA.PRIME_1 + i),
])

type Calls = 'findObjectsInit' | 'findObjects' | 'findObjectsFinal' | 'getAttributeValue' | 'destroyObject'

export function objectCalls(sessions: Sessions): Handlers<Calls> {
  return {
    findObjectsInit: async ([handle, template]) => {
      const session = sessions.get(handle)
      if (session.found) refuse(CKR.OPERATION_ACTIVE)
      const fitting = (await sessions.objects(session)).filter(({ attributes }) =>
        [...template].every(([type, value]) => isSame(attributes.get(type), value)),
      )
      session.found = fitting.map(({ handle }) => handle)
    },
    findObjects: ([handle, room], out) => {
      const { found } = sessions.get(handle)
      if (!found) return refuse(CKR.OPERATION_NOT_INITIALIZED)
      const told = found.splice(0, room)
      out.ulongs(told, told.length)
    },
    findObjectsFinal: ([handle]) => {
      const session = sessions.get(handle)
      if (!session.found) refuse(CKR.OPERATION_NOT_INITIALIZED)
      session.found = null
    },
    getAttributeValue: async ([handle, object, wanted], out) => {
      const session = sessions.get(handle)
      const { attributes, key, isPrivate } = await sessions.object(session, object, CKR.OBJECT_HANDLE_INVALID)
      let rv: number = CKR.OK
      out.uint32(wanted.length)
      for (const { type } of wanted) {
        const value = attributes.get(type) ?? null
        const isHidden = key !== null && isPrivate && SENSITIVE.has(type)
        if (value === null) rv = isHidden ? CKR.ATTRIBUTE_SENSITIVE : CKR.ATTRIBUTE_TYPE_INVALID
        writeAttribute(out, type, value)
      }
      out.ulong(rv)
    },
    destroyObject: async ([handle, object]) => {
      const session = sessions.get(handle)
      await sessions.object(session, object, CKR.OBJECT_HANDLE_INVALID)
      sessions.destroy(session, object)
    },
  }
}
