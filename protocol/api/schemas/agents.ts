/** Schemas of the routes about agents: provisioning, invitations, enrolment. */
import Type, { type Static } from 'typebox'
import { ROLES } from '../routes.ts'
import { Base64url, closed, literals, Name, Secret, Time } from './common.ts'

/** Who provisions or enrols is told by the certificate of its TLS connection, so no body names a key. */
export const ProvisionBody = Type.Object(
  { passphrase: Secret('of the slot admin, at least 8 characters') },
  closed,
)

export const Certificates = Type.Object(
  {
    certificate: Base64url(4096),
    authority: Base64url(4096),
    logKey: Type.String({ description: 'verifier key of the audit log, a signed-note key' }),
    name: Name,
    namespace: Name,
    role: literals(ROLES),
  },
  { ...closed, description: 'DER in base64url' },
)
export type Certificates = Static<typeof Certificates>

export const AgentInfo = Type.Object(
  {
    name: Name,
    role: literals(ROLES),
    pin: Type.Union([Type.String(), Type.Null()], { description: 'SPKI SHA-256; null for an invitation' }),
    since: Time,
    expires: Type.Union([Time, Type.Null()], { description: 'of an invitation' }),
    unattended: Type.Boolean({ description: 'its machine unlocks without a person, or may' }),
  },
  closed,
)
export type AgentInfo = Static<typeof AgentInfo>

export const InviteBody = Type.Object(
  {
    name: Name,
    role: literals(ROLES),
    validFor: Type.Integer({ minimum: 60, maximum: 30 * 86_400, description: 'seconds' }),
    unattended: Type.Optional(
      Type.Boolean({ description: 'an operator whose machine may unlock with its share alone' }),
    ),
  },
  closed,
)
export type InviteBody = Static<typeof InviteBody>

export const InviteAnswer = Type.Object({ name: Name, secret: Base64url(32), expires: Time }, closed)
export type InviteAnswer = Static<typeof InviteAnswer>

export const EnrolBody = Type.Object(
  {
    pin: Type.Optional(
      Secret('makes a staff unlock slot, together with hostShare; without it the slot is unattended'),
    ),
    hostShare: Type.Optional(Base64url(32)),
  },
  closed,
)
export type EnrolBody = Static<typeof EnrolBody>
