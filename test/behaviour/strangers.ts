/** Those who must stay outside: never a 200, and never further than a 401. Part of the behaviour suite. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { Test } from 'tap'
import { enrol } from '../../host-agent/client/connect.ts'
import { type Credentials, invitedCredentials, makeKey } from '../../host-agent/client/identity.ts'
import {
  issueCertificate,
  readCertificate,
  type Subject,
  selfSigned,
  toPem,
} from '../../protocol/identity/certificate.ts'
import { type Invitation, invitationKey, invitationSubject } from '../../protocol/identity/invitation.ts'
import type { House } from './suite.ts'

const AUTHORITY: Subject = { namespace: 'default', role: 'authority', name: 'claviger' }
const ADMIN: Subject = { namespace: 'default', role: 'administrator', name: 'owner' }

const pemOf = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }) as string

/** A certificate over a new key, by an issuer of any name. */
function issuedBy(
  subject: Subject,
  issuer: { subject: Subject; privateKey: KeyObject },
  above = '',
): Credentials {
  const key = makeKey()
  const certificate = toPem(issueCertificate(subject, createPublicKey(key), issuer))
  return { key: pemOf(key), certificate: certificate + above }
}

/**
 * The chain that a holder of an invitation can make: an authority of our authority's name, signed with the invitation's
 * secret, and below it whomever he likes.
 */
export function forgedChain(invitation: Invitation, subject: Subject = ADMIN): Credentials {
  const { namespace, name, secret } = invitation
  const key = makeKey()
  const root = { subject: invitationSubject(namespace, name), privateKey: invitationKey(secret) }
  const middle = issueCertificate(AUTHORITY, createPublicKey(key), root, true)
  return issuedBy(subject, { subject: AUTHORITY, privateKey: key }, toPem(middle))
}

export async function strangers(t: Test, { appliance, admin, advance, ask }: House): Promise<void> {
  /** How far they get: `outside` of TLS, or the status of the answer. */
  const reach = async (who: Credentials | null): Promise<string> =>
    ask(who).then(
      ({ status }) => `${status}`,
      () => 'outside',
    )

  t.test('When somebody has no certificate of ours, then TLS refuses', async t => {
    t.equal(await reach(appliance.admin), '200', 'while the administrator is let in')
    t.equal(await reach(null), 'outside', 'no certificate')

    const key = makeKey()
    const twin = { key: pemOf(key), certificate: toPem(selfSigned(ADMIN, key)) }
    t.equal(await reach(twin), 'outside', 'self-signed, with the names of the administrator')

    const other = makeKey()
    const byOther = issuedBy(ADMIN, { subject: AUTHORITY, privateKey: other })
    t.equal(await reach(byOther), 'outside', 'by another authority of the same name')
    const root = toPem(selfSigned(AUTHORITY, other, true))
    t.equal(await reach({ ...byOther, certificate: byOther.certificate + root }), 'outside', 'with its root')

    const stolen = { key: pemOf(makeKey()), certificate: appliance.admin.certificate }
    t.equal(await reach(stolen), 'outside', 'the certificate of the administrator without its key')

    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    t.equal(
      await reach({ key: pemOf(privateKey), certificate: appliance.admin.certificate }),
      'outside',
      'with a key of another kind',
    )

    const { key: agentKey, certificate } = appliance.admin
    const { subject } = readCertificate(Buffer.from(certificate.replace(/-+[^-]+-+|\s/g, ''), 'base64'))
    t.same(subject, ADMIN)
    const below = issuedBy(
      { ...ADMIN, name: 'deputy' },
      { subject: ADMIN, privateKey: createPrivateKey(agentKey) },
      certificate,
    )
    t.equal(await reach(below), 'outside', 'signed by an agent, who is no authority')
  })

  t.test('When an invitation was used, then it opens nothing', async t => {
    const invitation = await appliance.invite('once', 'auditor')
    const waiting = invitedCredentials(invitation)
    t.equal(await reach(waiting), '200', 'an open invitation reads the status')
    await enrol({ invitation }, { open: () => appliance.wire() })
    t.equal(await reach(waiting), 'outside', 'not for a machine that was slower')
    t.equal(await reach(invitedCredentials(invitation)), 'outside')
    await t.rejects(enrol({ invitation }, { open: () => appliance.wire(), patience: { retryFor: 2000 } }), {
      code: 'certificate-refused',
    })
  })

  t.test('When an invitation was withdrawn, then it opens nothing', async t => {
    const invitation = await appliance.invite('withdrawn', 'auditor')
    await admin.revoke('withdrawn')
    t.equal(await reach(invitedCredentials(invitation)), 'outside')
  })

  t.test(
    'When an invitation has expired, then it opens nothing',
    { skip: !advance && 'the clock is its own' },
    async t => {
      const invitation = await appliance.invite('late', 'auditor')
      const credentials = invitedCredentials(invitation)
      advance!(3601)
      t.match(await reach(credentials), /^(outside|401)$/)
      const body = '{}'
      const answer = await ask(credentials, { method: 'POST', path: '/v1/enrol', body }).catch(() => null)
      t.match(answer?.status ?? 401, /^40[13]$/)
    },
  )

  t.test('When the holder of an invitation makes himself an authority, then TLS refuses', async t => {
    const invitation = await appliance.invite('forger', 'auditor')
    t.equal(await reach(invitedCredentials(invitation)), '200', 'the invitation itself is good')
    t.equal(await reach(forgedChain(invitation)), 'outside')
    await admin.revoke('forger')
  })
}
