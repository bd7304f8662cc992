/**
 * The door of PKCS#11: what a client of p11-kit sends to the socket, as a stream of frames, or as one request of an application that is
 * logged in. What must hold: it is answered, refused, or no frame any more; every answer is well-formed; no error but a refusal.
 */
import { generateKeyPairSync } from 'node:crypto'
import { Application } from '../../host-agent/plugins/pkcs11/application.ts'
import { CKA, CKR, Refusal } from '../../host-agent/plugins/pkcs11/constants.ts'
import type { TokenSource } from '../../host-agent/plugins/pkcs11/house.ts'
import { Handles, objectsFor } from '../../host-agent/plugins/pkcs11/objects.ts'
import { Frames, frame } from '../../host-agent/plugins/pkcs11/wire/frames.ts'
import { Malformed } from '../../host-agent/plugins/pkcs11/wire/reader.ts'
import { Writer } from '../../host-agent/plugins/pkcs11/wire/writer.ts'
import type { KeyInfo } from '../../protocol/api/schemas.ts'
import { formatPublicKey } from '../../protocol/envelope/token.ts'
import { ay, HANDSHAKE, idOf, oneOfEach, readAnswer, request, u, y } from '../plugins/pkcs11/requests.ts'
import { keyPair } from '../protocol/envelope-keys.ts'
import type { Door } from './fuzz.ts'
import type { Random } from './random.ts'

/** The offered version, and the head of a frame. */
const HEAD = 13

/** A device with a key of each kind, that opens nothing and agrees on zeros. */
function nothingBehind(): TokenSource {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pem = publicKey.export({ type: 'spki', format: 'pem' }) as string
  const info = (name: string, publicKey: string, more: Partial<KeyInfo>): KeyInfo => ({
    name,
    suite: 'rsa',
    use: 'fields',
    versions: [{ version: 1, created: 1, publicKey, opens: true }],
    minimum: 1,
    exportable: false,
    ...more,
  })
  const legacy = { bits: 2048, separator: '\t', fields: ['card.number'] }
  const bytes = keyPair('p256').publicKey
  const raw = formatPublicKey({ suite: 'p', namespace: 'default', key: 'raw', version: 1, bytes })
  const keys = [
    info('old', pem, { legacy: { ...legacy, padding: 'pkcs1' } }),
    info('plain', pem, { legacy: { ...legacy, padding: 'oaep-sha256' } }),
    info('raw', raw, { suite: 'p', use: 'derive' }),
  ]
  const grants = keys.map(({ name, use }) => ({
    id: name,
    agent: 'desk',
    key: name,
    fields: ['*'],
    purposes: ['charge'],
    reveal: [use === 'derive' ? ('derive' as const) : ('full' as const)],
    budgets: [],
    hours: null,
    since: 1,
  }))
  const handles = new Handles()
  const objects = objectsFor('charge', { grants }, keys, handles)
  const token = { slot: 1, purpose: 'charge', label: 'charge', serial: '0123456789abcdef', objects }
  return {
    namespace: 'default',
    wantsPin: true,
    handles,
    look: async () => ({ isThere: true, state: 'operational', tokens: [token] }),
    login: async () => {},
    decrypt: async () => {
      throw new Refusal(CKR.ENCRYPTED_DATA_INVALID)
    },
    derive: async () => new Uint8Array(32),
  }
}

const SOURCE = nothingBehind()
const VERSIONS = [0, 1, 2]
const BEGIN = [
  request('initialize', ay(HANDSHAKE), y(0), ay('\0')),
  request('openSession', u(1), u(4)),
  request('login', u(1), u(1), ay('246810')),
]

const streamOf = (offered: number, bodies: readonly Uint8Array[]) =>
  Buffer.concat([Uint8Array.of(offered), ...bodies.map((body, i) => frame(i + 1, body))])
const SEEDS = VERSIONS.flatMap(offered => [
  streamOf(offered, oneOfEach(offered)),
  ...oneOfEach(offered).map(body => streamOf(offered, [body])),
])
const WORDS = [
  ...[0, 1, 2, 64, 65, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff].map(n => new Writer().uint32(n)),
  ...[CKA.WRAP_TEMPLATE, CKA.DERIVE_TEMPLATE, CKA.ALLOWED_MECHANISMS, CKA.LABEL].map(n =>
    new Writer().uint32(n),
  ),
  ...[0, 1, 4, -1].map(n => new Writer().ulong(n)),
  new Writer().uint32(1).uint32(CKA.WRAP_TEMPLATE).byte(1).uint32(24),
].map(writer => Buffer.from(writer.finish()))

/** @returns whether it was a result. @throws Error for what is no answer */
async function ask(application: Application, body: Uint8Array, offered: number): Promise<boolean> {
  const isFirst = body.length >= 4 && Buffer.from(body).readUInt32BE() === idOf('initialize')
  const { rv } = readAnswer(await application.answer(body, offered))
  if (rv === CKR.GENERAL_ERROR && !isFirst) throw new Error('an error that is no refusal')
  return rv === CKR.OK
}

async function take(input: Buffer, random: Random): Promise<string> {
  const application = new Application(SOURCE)
  try {
    if (random.below(4) > 0) {
      const offered = input[0] ?? 0
      for (const body of BEGIN) await ask(application, body, offered)
      return (await ask(application, input.subarray(HEAD), offered)) ? 'answered' : 'refused'
    }
    const frames = new Frames()
    const size = 1 + random.below(input.length + 1)
    let count = 0
    for (let at = 0; at < input.length; at += size)
      for (const { body } of frames.push(input.subarray(at, at + size))) {
        await ask(application, body, frames.offered!)
        count++
      }
    return count > 0 ? 'a stream' : 'no whole frame'
  } catch (error) {
    if (error instanceof Malformed) return 'broken'
    throw error
  } finally {
    application.end()
  }
}

export const door: Door = { seeds: SEEDS, words: WORDS, take }
