/** Certificates, claims and invitations; OpenSSL's command line is the independent reader. */
import { execFileSync } from 'node:child_process'
import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { toBase64url } from '../../protocol/bytes.ts'
import { encodeCbor } from '../../protocol/cbor.ts'
import {
  CertificateError,
  issueCertificate,
  readCertificate,
  type Subject,
  selfSigned,
  spkiPin,
  subjectOf,
  toPem,
} from '../../protocol/identity/certificate.ts'
import { claimProof, verifyClaim } from '../../protocol/identity/claim.ts'
import * as der from '../../protocol/identity/der.ts'
import {
  formatInvitation,
  type Invitation,
  InvitationError,
  invitationKey,
  parseInvitation,
} from '../../protocol/identity/invitation.ts'

const newKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const CA: Subject = { namespace: 'default', role: 'authority', name: 'claviger' }
const AGENT: Subject = { namespace: 'default', role: 'operator', name: 'till-1' }

/** Why the command line's tests cannot run here; empty where they can. */
const missing = (() => {
  try {
    return execFileSync('openssl', ['version'], { encoding: 'utf8' }) ? '' : 'openssl says nothing'
  } catch {
    return 'openssl is not installed'
  }
})()
if (missing && process.env.CI) t.fail('openssl has to be installed where CI is set')

/** Runs openssl; its output, also where it fails. */
function openssl(...args: string[]): { ok: boolean; said: string } {
  try {
    return { ok: true, said: execFileSync('openssl', args, { encoding: 'utf8', stdio: 'pipe' }) }
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    return { ok: false, said: `${stdout}${stderr}` }
  }
}

t.test('When openssl verifies our certificates, strictly', { skip: missing }, async t => {
  const directory = t.testdir()
  const caKey = newKey()
  const ca = { subject: CA, privateKey: caKey }
  const root = selfSigned(CA, caKey, true)
  const agentKey = newKey()
  const agent = issueCertificate(AGENT, createPublicKey(agentKey), ca)
  const write = (name: string, ...certificates: Uint8Array[]) => {
    const path = join(directory, name)
    writeFileSync(path, certificates.map(toPem).join(''))
    return path
  }
  const caFile = write('ca.pem', root)
  const verify = (leaf: Uint8Array, ...between: Uint8Array[]) =>
    openssl(
      'verify',
      ...['-x509_strict', '-check_ss_sig', '-purpose', 'sslclient', '-CAfile', caFile],
      ...(between.length > 0 ? ['-untrusted', write('between.pem', ...between)] : []),
      write('leaf.pem', leaf),
    )

  t.test('then those that the authority signed are good', async t => {
    t.match(verify(agent), { ok: true, said: /: OK/ })
  })
  t.test('then a device and an administrator are good as their own authority', async t => {
    for (const role of ['device', 'administrator']) {
      const certificate = write('self.pem', selfSigned({ ...AGENT, role }, newKey()))
      t.match(openssl('verify', '-x509_strict', '-partial_chain', '-CAfile', certificate, certificate), {
        ok: true,
      })
    }
  })
  t.test('then what an agent signed is not', async t => {
    const byAgent = issueCertificate({ ...AGENT, name: 'mate' }, createPublicKey(newKey()), {
      subject: AGENT,
      privateKey: agentKey,
    })
    t.equal(verify(byAgent, agent).ok, false)
  })
  t.test('then an authority below the authority is not', async t => {
    const middleKey = newKey()
    const middle = issueCertificate({ ...CA, name: 'middle' }, createPublicKey(middleKey), ca, true)
    const below = issueCertificate(AGENT, createPublicKey(newKey()), {
      subject: { ...CA, name: 'middle' },
      privateKey: middleKey,
    })
    t.match(verify(below, middle), { ok: false, said: /path length constraint exceeded/ })
  })
  t.test('then another authority of the same name is not', async t => {
    t.equal(
      verify(issueCertificate(AGENT, createPublicKey(agentKey), { subject: CA, privateKey: newKey() })).ok,
      false,
    )
  })
  t.test('then one changed byte is noticed', async t => {
    const changed = Uint8Array.from(agent)
    changed[changed.indexOf(0x0c, 100) + 2]! ^= 1
    t.equal(verify(changed).ok, false)
  })
  t.test('then names, key usage and end are as written', async t => {
    const { said } = openssl(
      'x509',
      '-noout',
      '-text',
      '-nameopt',
      'RFC2253',
      '-in',
      write('leaf.pem', agent),
    )
    for (const pattern of [
      /Version: 3/,
      /Subject: CN=till-1,OU=operator,O=default/,
      /Issuer: CN=claviger,OU=authority,O=default/,
      /Not After ?: Dec 31 23:59:59 9999 GMT/,
      /Signature Algorithm: ecdsa-with-SHA256/,
      /Key Usage: critical\s+Digital Signature\n/,
      /Basic Constraints: critical\s+CA:FALSE/,
    ])
      t.match(said, pattern)
    t.match(
      openssl('x509', '-noout', '-text', '-in', caFile).said,
      /critical\s+CA:TRUE, pathlen:0\s[\s\S]*Certificate Sign\n/,
    )
  })
})

t.test(
  'When openssl reads what the DER writer wrote, then it is what was meant',
  { skip: missing },
  async t => {
    const path = join(t.testdir(), 'x.der')
    const read = (bytes: Uint8Array) => {
      writeFileSync(path, bytes)
      return openssl('asn1parse', '-inform', 'DER', '-in', path)
    }
    const cases: [Uint8Array, RegExp][] = [
      [der.integer(Uint8Array.of(0)), /l= +1 prim: INTEGER +:00/],
      [der.integer(Uint8Array.of(0, 0, 0x7f)), /l= +1 prim: INTEGER +:7F/],
      [der.integer(Uint8Array.of(0x80)), /l= +2 prim: INTEGER +:80/],
      [der.integer(new Uint8Array(16).fill(0xff)), /l= +17 prim: INTEGER +:F{32}/],
      [der.oid('1.2.840.10045.4.3.2'), /OBJECT +:ecdsa-with-SHA256/],
      [der.oid('2.5.29.19'), /OBJECT +:X509v3 Basic Constraints/],
      [der.oid('1.3.6.1.4.1.311.60.2.1.3'), /OBJECT +:jurisdictionCountryName/],
      [der.utf8('Müßig'), /UTF8STRING +:M/],
      [der.boolean(true), /BOOLEAN +:255/],
      [der.time(new Date('2049-12-31T23:59:59Z')), /UTCTIME +:491231235959Z/],
      [der.time(new Date('2050-01-01T00:00:00Z')), /GENERALIZEDTIME +:20500101000000Z/],
      ...[0, 1, 127, 128, 255, 256, 65_535, 65_536].map((length): [Uint8Array, RegExp] => [
        der.sequence(der.octets(new Uint8Array(length))),
        new RegExp(`l= *${length} prim: OCTET STRING`),
      ]),
    ]
    for (const [bytes, pattern] of cases) {
      const { ok, said } = read(bytes)
      t.ok(ok)
      t.match(said, pattern)
    }
  },
)

const name = fc.stringMatching(/^[a-z0-9][a-z0-9.-]{0,31}$/)

t.test('When a subject is written, then it is read again, for any names', async t => {
  const key = newKey()
  fc.assert(
    fc.property(name, name, name, (namespace, role, name) => {
      const subject = { namespace, role, name }
      const read = readCertificate(selfSigned(subject, key))
      t.strictSame(read.subject, subject)
      return Buffer.compare(spkiPin(read.certificate.publicKey), spkiPin(createPublicKey(key))) === 0
    }),
    { numRuns: 50 },
  )
})

t.test('When a name tries to be two, then it is no subject of ours', async t => {
  const key = newKey()
  for (const name of [
    'a\nOU=administrator',
    'a\nCN=b',
    '',
    'x'.repeat(65),
    'a, OU=administrator',
    'a+OU=x',
  ]) {
    let read: Subject | null = null
    try {
      read = readCertificate(selfSigned({ ...AGENT, name }, key)).subject
    } catch (error) {
      t.ok(error instanceof CertificateError)
    }
    // OpenSSL escapes what would be another attribute: the role stays what it was.
    if (read) t.equal(read.role, AGENT.role, name)
  }
  t.equal(subjectOf('O=a\nOU=b\nCN=c\nCN=d'), null)
  t.equal(subjectOf('OU=b\nO=a\nCN=c'), null)
})

t.test('When bytes are no certificate of ours, then there is one error', async t => {
  const good = selfSigned(AGENT, newKey())
  const refuses = (bytes: Uint8Array) => {
    try {
      readCertificate(bytes)
    } catch (error) {
      return error instanceof CertificateError && error.code === 'bad-certificate'
    }
    return false
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 5000 }), refuses))
  fc.assert(
    fc.property(fc.integer({ min: 0, max: good.length - 1 }), length => refuses(good.subarray(0, length))),
  )
  fc.assert(
    fc.property(fc.integer({ min: 0, max: good.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, by) => {
      const changed = Uint8Array.from(good)
      changed[at]! ^= by
      // What still reads as a certificate has a wrong signature, which is for OpenSSL to see.
      return refuses(changed) || !isSigned(changed)
    }),
  )
  const nested = Buffer.concat(
    Array.from({ length: 1000 }, (_, i) => Buffer.of(0x30, 0x82, (4000 - 4 * i) >> 8, (4000 - 4 * i) & 0xff)),
  )
  t.ok(refuses(nested))
  t.ok(refuses(new Uint8Array(4_000_000).fill(0x30)))
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  t.ok(refuses(selfSigned(AGENT, privateKey)), 'a key on another curve')
})

function isSigned(bytes: Uint8Array): boolean {
  const certificate = new X509Certificate(bytes)
  return certificate.verify(certificate.publicKey)
}

t.test('When a device proves its claim, then only for its secret and its pin', async t => {
  const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 })
  fc.assert(
    fc.property(bytes, bytes, bytes, (claim, pin, other) => {
      const proof = claimProof(claim, pin)
      fc.pre(Buffer.compare(other, pin) !== 0 && Buffer.compare(other, claim) !== 0)
      t.equal(proof.length, 32)
      t.ok(verifyClaim(claim, pin, proof))
      t.notOk(verifyClaim(claim, other, proof))
      t.notOk(verifyClaim(other, pin, proof))
      t.notOk(verifyClaim(claim, pin, proof.subarray(1)))
      t.notOk(verifyClaim(claim, pin, new Uint8Array()))
    }),
    { numRuns: 30 },
  )
})

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })
const someText = fc.string({ minLength: 1, maxLength: 40, unit: 'binary' })
const invitation: fc.Arbitrary<Invitation> = fc.record(
  {
    addresses: fc.array(someText, { maxLength: 8 }),
    device: bytes32,
    namespace: someText,
    name: someText,
    role: someText,
    secret: bytes32,
    expires: fc.maxSafeNat(),
  },
  { noNullPrototype: true },
)

t.test('When an invitation is written, then it is read again, also with line breaks in it', async t => {
  fc.assert(
    fc.property(invitation, fc.nat(200), (value, at) => {
      const line = formatInvitation(value)
      t.match(line, /^clvi1\.[A-Za-z0-9_-]+$/)
      t.strictSame(parseInvitation(line), value)
      t.strictSame(parseInvitation(`  ${line.slice(0, at)}\r\n${line.slice(at)}\n`), value)
    }),
    { numRuns: 60 },
  )
})

t.test('When text is no invitation, then there is one error', async t => {
  const refuses = (text: string) => {
    try {
      parseInvitation(text)
    } catch (error) {
      return error instanceof InvitationError && error.code === 'bad-invitation'
    }
    return false
  }
  fc.assert(fc.property(fc.string({ unit: 'binary' }), refuses))
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), bytes => refuses(`clvi1.${toBase64url(bytes)}`)))
  fc.assert(
    fc.property(invitation, fc.nat(), (value, at) => {
      const line = formatInvitation(value)
      return refuses(line.slice(0, at % line.length))
    }),
  )
  const base = fc.sample(invitation, 1)[0]!
  const wrong: object[] = [
    { ...base, extra: 1 },
    { ...base, device: base.device.subarray(1) },
    { ...base, secret: 'text' },
    { ...base, expires: -1 },
    { ...base, addresses: 'one' },
    { ...base, addresses: Array(9).fill('x') },
    { ...base, name: '' },
    { ...base, name: 'x'.repeat(256) },
  ]
  for (const value of wrong) t.ok(refuses(`clvi1.${toBase64url(encodeCbor(value as never))}`))
  t.ok(refuses(`clvi1.${toBase64url(new Uint8Array(3000).fill(0x81))}`), 'nested')
  t.ok(refuses(`clvi1.${'A'.repeat(10_000_000)}`), 'endless')
  t.ok(refuses(formatInvitation(base).toUpperCase()))
})

t.test('When the secret of an invitation is no scalar of the group, then it is no invitation', async t => {
  for (const secret of [new Uint8Array(32), new Uint8Array(32).fill(0xff)])
    t.throws(() => invitationKey(secret), { code: 'bad-invitation' })
  const key = newKey()
  const scalar = Buffer.from(key.export({ format: 'jwk' }).d!, 'base64url')
  t.ok(invitationKey(scalar).equals(key))
})
