/**
 * Every cell of route × state × caller, generated from the table of routes: over HTTP through real TLS, and at the keeper
 * alone, behind a gate that lies. What is expected is computed here, so that `admit` is not its own witness.
 */
import { createPublicKey, randomBytes } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { makeInvitation } from '../../appliance/keeper/enrolment.ts'
import type { Caller, Method } from '../../appliance/keeper/rpc/messages.ts'
import { type Credentials, invitedCredentials, makeKey } from '../../host-agent/client/identity.ts'
import {
  ROLES,
  ROUTES,
  type Role,
  type Route,
  type RouteName,
  STATES,
  type Standing,
  type State,
} from '../../protocol/api/routes.ts'
import {
  issueCertificate,
  readCertificate,
  type Subject,
  spkiPin,
  toPem,
} from '../../protocol/identity/certificate.ts'
import { AnswerCheck } from '../support/answers.ts'
import { PASSPHRASE } from '../support/appliance.ts'
import { ask, beginning, codeOf, type RawRequest, secure } from '../support/http.ts'
import { type InProcess, startInProcess } from '../support/in-process.ts'
import { type BODIES, PATIENT, requestOf } from '../support/requests.ts'

const NAMES = Object.keys(ROUTES) as RouteName[]

/** What changes how the namespace is. */
const CHANGES = [
  ...[
    'liftLockdown',
    'createKey',
    'rotateKey',
    'importTicket',
    'importKey',
    'setMinimum',
    'retireKey',
    'undeleteKey',
    'makeCanary',
    'invite',
    'revoke',
    'addGrant',
    'removeGrant',
  ],
  ...['addRecipient', 'removeRecipient', 'changeSettings', 'auditArchive'],
] as RouteName[]
/** What changes nothing, and gives no plaintext. */
const READING = [
  ...['status', 'health', 'metrics', 'events', 'listKeys', 'keySet', 'showKey', 'listAgents', 'listGrants'],
  ...['explainGrant', 'listRecipients', 'showSettings'],
  ...['auditCheckpoint', 'auditConsistency', 'auditInclusion', 'auditEntries'],
] as RouteName[]

/** What a cell answers: 401 before 403 before 412. `null`: it is allowed. */
function expected(route: RouteName, standing: Standing | null, state: State): [number, string] | null {
  const row: Route = ROUTES[route]
  if (standing === null) return [401, 'unknown-agent']
  if (row.roles.every(role => role !== standing)) return [403, 'wrong-role']
  if (row.states.every(legal => legal !== state)) return [412, 'wrong-state']
  return null
}

t.test('the table itself', async t => {
  const who = (name: RouteName): readonly Standing[] => ROUTES[name].roles
  t.same(who('decrypt'), ['operator'], 'only operators read plaintext')
  t.same(who('rewrap'), ['operator'], 'and seal again')
  t.same(who('derive'), ['operator'], 'and are given raw secrets')
  for (const name of CHANGES) t.same(who(name), ['administrator'], `only administrators may ${name}`)
  for (const name of ['myGrants', 'auditMine'] as const)
    t.same(who(name), ['operator'], `${name} is of oneself`)
  t.same(who('enrol'), ['invited'])
  t.same(who('provision'), ['claimant'])
  t.same(who('lockdown'), ROLES, 'everybody may sound the alarm')
  t.same(
    NAMES.filter(name => who(name).some(role => role === 'auditor')).sort(),
    [...READING, 'lockdown'].sort(),
    'an auditor reads, and may sound the alarm',
  )
  for (const name of READING)
    t.notOk(
      who(name).some(role => role === 'invited' || role === 'claimant') && name !== 'status',
      `${name} is for those who are enrolled`,
    )
  const legal: Partial<Record<RouteName, readonly State[]>> = {
    status: STATES,
    health: STATES,
    metrics: STATES,
    events: STATES,
    provision: ['unprovisioned'],
    unlock: ['locked'],
    liftLockdown: ['lockdown'],
    ...Object.fromEntries(
      ['lockdown', 'auditCheckpoint', 'auditConsistency', 'auditInclusion', 'auditEntries', 'auditMine'].map(
        name => [name, ['locked', 'operational', 'lockdown']],
      ),
    ),
  }
  for (const name of NAMES) t.same(ROUTES[name].states, legal[name] ?? ['operational'], name)
})

/** Those who may knock, by what they are to an operational device. */
interface Somebody {
  credentials: Credentials
  /** `outside`: TLS refuses. */
  standing: Record<State, Standing | null | 'outside'>
}

const pem = (key: ReturnType<typeof makeKey>) => key.export({ type: 'pkcs8', format: 'pem' }) as string

/** A certificate that the device's own authority signed over a key that it does not know. */
function signedByAuthority(device: InProcess, subject: Subject): Credentials {
  const { unlocked } = device.vault
  const key = makeKey()
  const issuer = {
    subject: { namespace: 'default', role: 'authority', name: 'claviger' },
    privateKey: unlocked!.authority,
  }
  return { key: pem(key), certificate: toPem(issueCertificate(subject, createPublicKey(key), issuer)) }
}

async function everybody(device: InProcess, claimant: Credentials): Promise<Record<string, Somebody>> {
  const { appliance } = device
  await (await appliance.connect(appliance.admin)).changeSettings(PATIENT)
  const outside = { unprovisioned: 'outside', failed: 'outside' } as const
  const people: Record<string, Somebody> = {}
  for (const role of ROLES) {
    const credentials = role === 'administrator' ? appliance.admin : await appliance.enrol(`m-${role}`, role)
    people[role] = { credentials, standing: { ...outside, locked: role, lockdown: role, operational: role } }
  }
  const revoked = await appliance.enrol('m-revoked', 'operator')
  const admin = await appliance.connect(appliance.admin)
  await admin.revoke('m-revoked')
  const subject = { namespace: 'default', role: 'operator', name: 'm-nobody' }
  const nobody = { ...outside, locked: null, lockdown: null, operational: null } as const
  people['a revoked operator'] = { credentials: revoked, standing: nobody }
  people['an operator who is not in the registry'] = {
    credentials: signedByAuthority(device, subject),
    standing: nobody,
  }
  people['somebody of an unknown role'] = {
    credentials: signedByAuthority(device, { ...subject, role: 'janitor' }),
    standing: nobody,
  }
  people['an administrator of another namespace'] = {
    credentials: signedByAuthority(device, { ...subject, role: 'administrator', namespace: 'elsewhere' }),
    standing: nobody,
  }
  people.invited = {
    credentials: invitedCredentials(await appliance.invite('m-invited', 'operator')),
    standing: { ...outside, locked: 'outside', lockdown: 'outside', operational: 'invited' },
  }
  people.claimant = {
    credentials: claimant,
    standing: {
      ...{ unprovisioned: 'claimant', failed: 'outside' },
      ...{ locked: 'outside', lockdown: 'outside', operational: 'outside' },
    },
  }
  return people
}

let made = 0
/** A request that is well-formed, so that a refusal is about who asks; harmless where it is allowed. */
function requestFor(name: RouteName, who: string): RawRequest {
  const bodies: typeof BODIES = {
    createKey: { name: `made-${made++}`, suite: 'x' },
    invite: { name: `made-${made++}`, role: 'auditor', validFor: 3600 },
  }
  if (who !== 'administrator')
    bodies.unlock = { pin: '0000', hostShare: randomBytes(32).toString('base64url') }
  return requestOf(name, bodies[name])
}

/** All routes; those that change who the caller is, or the state, come last. */
function inOrder(standing: Standing | null): RouteName[] {
  const rank = (name: RouteName) => {
    const { roles }: Route = ROUTES[name]
    const changesCaller = (name === 'enrol' || name === 'provision') && standing && roles.includes(standing)
    return changesCaller ? 3 : name === 'lockdown' ? 2 : name === 'lock' ? 1 : 0
  }
  return [...NAMES].sort((a, b) => rank(a) - rank(b))
}

async function overHttp(t: Test, device: InProcess, people: Record<string, Somebody>): Promise<void> {
  const { state } = device.keeper
  for (const [who, { credentials, standing: standings }] of Object.entries(people)) {
    const standing = standings[state]
    const socket = await reach(device, credentials)
    if (standing === 'outside') {
      t.equal(socket, null, `${state}: ${who} stays outside`)
      continue
    }
    if (!socket) {
      t.fail(`${state}: ${who} does not get in`)
      continue
    }
    for (const name of inOrder(standing)) {
      const cell = `${state}: ${who}: ${name}`
      const refusal = expected(name, standing, state)
      if (name === 'events' && !refusal) {
        const told = new RegExp(`^HTTP/1.1 200 .*event: state\ndata: {"state":"${state}"}\n\n`, 's')
        t.match(await beginning(device.cable(), credentials, '/v1/events'), told, cell)
        continue
      }
      const answer = await ask(socket, requestFor(name, who))
      if (refusal) {
        t.same([answer.status, codeOf(answer)], refusal, cell)
        if (refusal[0] === 412) t.equal(JSON.parse(answer.text).state, state, cell)
      } else if (answer.status === 200) t.pass(cell)
      else t.notMatch(['unknown-agent', 'wrong-role', 'wrong-state'], [codeOf(answer)], cell)
      if (answer.status === 200 && (name === 'lock' || name === 'lockdown')) await restore(device, state)
    }
    socket.destroy()
  }
}

/** A connection on which a request was answered, or `null`. */
async function reach(device: InProcess, credentials: Credentials): Promise<TLSSocket | null> {
  try {
    const socket = await secure(device.cable(), credentials)
    await ask(socket)
    return socket
  } catch {
    return null
  }
}

/** Puts the device into this state again, after somebody was allowed to lock it. */
async function restore({ appliance, keeper }: InProcess, state: State): Promise<void> {
  const admin = await appliance.connect(appliance.admin)
  if (keeper.state === 'lockdown' && state !== 'lockdown') await admin.liftLockdown(PASSPHRASE)
  if (keeper.state === 'locked' && state === 'operational') await admin.unlock({ passphrase: PASSPHRASE })
}

t.test('over HTTP', async t => {
  const answers = new AnswerCheck()
  const fresh = await startInProcess({ provisioned: false })
  answers.watch(fresh.app.server)
  const card = fresh.appliance.admin
  t.teardown(fresh.stop)
  const device = await startInProcess()
  answers.watch(device.app.server)
  t.teardown(device.stop)
  const people = await everybody(device, card)

  t.test('When somebody may not, then the gate does not read what was sent', async t => {
    const { auditor, administrator } = people
    const send = async (who: Credentials) => {
      const socket = await secure(device.cable(), who)
      const answer = await ask(socket, { method: 'POST', path: '/v1/keys', body: '{"not' })
      socket.destroy()
      return codeOf(answer)
    }
    t.equal(await send(auditor!.credentials), 'wrong-role')
    t.equal(await send(administrator!.credentials), 'malformed-request')
  })
  t.test('operational', t => overHttp(t, device, people))
  t.test('locked', async t => {
    await (await device.appliance.connect(device.appliance.admin)).lock()
    await overHttp(t, device, people)
    await restore(device, 'operational')
  })
  t.test('lockdown', async t => {
    await (await device.appliance.connect(device.appliance.admin)).lockdown()
    await overHttp(t, device, people)
    t.equal(device.keeper.state, 'lockdown')
    await restore(device, 'operational')
  })
  t.test('failed', async t => {
    const failed = await startInProcess({ files: { default: 'this is no keystore' } })
    answers.watch(failed.app.server)
    t.teardown(failed.stop)
    t.equal(failed.keeper.state, 'failed')
    await overHttp(t, failed, people)
  })
  t.test('unprovisioned', async t => {
    t.equal(fresh.keeper.state, 'unprovisioned')
    await overHttp(t, fresh, people)
    t.equal(fresh.keeper.state, 'operational', 'the claimant, who came last, has provisioned it')
  })
  t.test('When anybody is answered, in any state, then it is what docs/openapi.json says', async t => {
    t.same([...answers.faults], [])
    t.same(answers.missing(401), [])
    t.same(answers.missing(403), ['status'], 'everybody who is known may ask for the state')
  })
})

t.test('at the keeper, behind a gate that lies', async t => {
  const device = await startInProcess()
  t.teardown(device.stop)
  const fresh = await startInProcess({ provisioned: false })
  t.teardown(fresh.stop)
  const failed = await startInProcess({ files: { default: 'this is no keystore' } })
  t.teardown(failed.stop)
  const { appliance } = device
  const pinOf = (credentials: Credentials) =>
    spkiPin(readCertificate(fromPem(credentials.certificate)).certificate.publicKey)
  const pins: Record<Role, Uint8Array> = {
    administrator: pinOf(appliance.admin),
    operator: pinOf(await appliance.enrol('k-operator', 'operator')),
    auditor: pinOf(await appliance.enrol('k-auditor', 'auditor')),
    backup: pinOf(await appliance.enrol('k-backup', 'backup')),
  }
  const invitation = await appliance.invite('k-invited', 'administrator')
  await (await appliance.connect(appliance.admin)).changeSettings(PATIENT)
  const of = (role: string, name: string, namespace = 'default') => ({ namespace, role, name })
  const authority = of('authority', 'claviger')
  const invited = of('invitation', 'k-invited')
  const unknown = randomBytes(32)
  const caller = (pin: Uint8Array, role: string, issuer: Caller['issuer'] = authority): Caller => ({
    pin: Uint8Array.from(pin),
    namespace: 'default',
    role,
    name: 'owner',
    issuer,
  })

  /** The cell of `route` for a caller, with the gate's word for all of it. */
  const cell = async (
    t: Test,
    { keeper }: InProcess,
    route: RouteName,
    who: Caller,
    standing: Standing | null,
  ) => {
    const refusal = expected(route, standing, keeper.state)
    const label = `${keeper.state}: ${who.issuer.role}/${who.role} as ${standing}: ${route}`
    const admitted = keeper.handle('admit', who, { route })
    if (!refusal) return t.resolves(admitted, label)
    await t.rejects(admitted, { code: refusal[1] }, label)
    await t.rejects(
      keeper.handle(route as Method, who, {} as never),
      { code: refusal[1] },
      `${label}, called`,
    )
  }

  t.test(
    'When it is unlocked, then the registry says who somebody is, whatever role the gate claims',
    async t => {
      for (const route of NAMES) {
        for (const claimed of [...ROLES, 'authority', 'janitor', '']) {
          const isRole = (ROLES as readonly string[]).includes(claimed)
          for (const role of ROLES)
            await cell(t, device, route, caller(pins[role], claimed), isRole ? role : null)
          await cell(t, device, route, caller(unknown, claimed), null)
        }
        await cell(t, device, route, caller(unknown, 'operator', invited), 'invited')
        await cell(t, device, route, caller(pins.operator, 'operator', invited), 'invited')
        for (const issuer of [
          of('invitation', 'none'),
          of('device', 'claviger'),
          of('authority', 'claviger', 'elsewhere'),
        ])
          await cell(t, device, route, caller(pins.operator, 'operator', issuer), null)
        const elsewhere = { ...caller(pins.administrator, 'administrator'), namespace: 'elsewhere' }
        await cell(t, device, route, elsewhere, null)
        const whole = { ...elsewhere, issuer: of('authority', 'claviger', 'elsewhere') }
        await cell(t, device, route, whole, null)
        // Their refusals are forgotten.
        device.advance(3)
      }
    },
  )

  t.test('When it is unprovisioned or failed, then lies open nothing either', async t => {
    const claim = pinOf(fresh.appliance.admin)
    for (const route of NAMES) {
      const own = caller(claim, 'administrator', of('administrator', 'owner'))
      await cell(t, fresh, route, own, 'claimant')
      await cell(t, fresh, route, { ...own, pin: unknown }, null)
      await cell(t, fresh, route, caller(unknown, 'operator', invited), null)
      for (const role of ROLES) await cell(t, failed, route, caller(unknown, role), role)
      await cell(t, failed, route, own, null)
    }
  })

  t.test('When a gate knows only the name of an invitation, then it cannot enrol with it', async t => {
    const { keeper } = device
    const key = makeKey()
    const publicKey = createPublicKey(key)
    const subject = { namespace: 'default', role: 'administrator', name: 'k-invited' }
    const sign = (privateKey: typeof key) =>
      issueCertificate(subject, publicKey, {
        subject: { namespace: 'default', role: 'invitation', name: 'k-invited' },
        privateKey,
      })
    const enrol = (certificate: Uint8Array, pin = spkiPin(publicKey)) =>
      keeper.handle('enrol', caller(pin, 'administrator', invited), { certificate, staff: null })
    await t.rejects(enrol(sign(key)), { code: 'invitation-refused' }, 'signed by itself')
    await t.rejects(enrol(Uint8Array.of(0x30, 0x00)), { code: 'bad-certificate' })
    const good = fromPem(invitedCredentials(invitation).certificate)
    await t.rejects(enrol(good), { code: 'bad-certificate' }, 'a certificate it saw, for a key of its own')
    const { certificate } = makeInvitation('default', 'k-invited')
    await t.rejects(enrol(certificate), { code: 'bad-certificate' })
    t.equal(
      (await (await appliance.connect(appliance.admin)).listAgents()).agents.length,
      5,
      'nobody came in',
    )
    await appliance.enrol('k-late', 'auditor')
  })

  t.test(
    'When a gate decrypts for a pin that is not enrolled, or is no operator, then it gets nothing',
    async t => {
      const decrypt = (who: Caller) =>
        device.keeper.handle('decrypt', who, {
          purpose: 'test',
          reason: '',
          items: [['x', 'f', '', 'full', 0]],
        })
      await t.rejects(decrypt(caller(unknown, 'operator')), { code: 'unknown-agent' })
      await t.rejects(decrypt(caller(pins.auditor, 'operator')), { code: 'wrong-role' })
      await t.rejects(decrypt(caller(pins.administrator, 'operator')), { code: 'wrong-role' })
      t.match(
        await decrypt(caller(pins.operator, 'administrator')),
        { opened: ['bad-token'] },
        'while an operator is heard',
      )
    },
  )

  t.test(
    'When it is locked, then the header says who somebody is, whatever role the gate claims, and nobody reads anything',
    async t => {
      const admin = caller(pins.administrator, 'administrator')
      for (const how of [
        () => device.keeper.handle('lock', admin, {}),
        () => device.keeper.handle('lockdown', admin, { reason: '' }),
      ]) {
        await how()
        for (const route of NAMES) {
          for (const role of ROLES) {
            await cell(t, device, route, caller(pins[role], 'administrator'), role)
            await cell(t, device, route, caller(unknown, role), null)
          }
          await cell(t, device, route, caller(pins.operator, 'janitor'), null)
          await cell(t, device, route, caller(unknown, 'operator', invited), null)
          device.advance(3)
        }
      }
      t.equal(device.keeper.state, 'lockdown')
    },
  )
})

function fromPem(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replace(/-+[^-]+-+|\s/g, ''), 'base64'))
}

t.equal(STATES.length, 5, 'each state has its test above')
