/**
 * How close opening a field comes to its floor: one bare X25519 of node:crypto with ready KeyObjects on one thread.
 *
 * Floor and subject take turns in short rounds, and each figure is the ratio of the medians, so that a neighbour's noise
 * meets both.
 */

import {
  constants,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
} from 'node:crypto'
import * as peer from 'hpke'
import type { Context } from '../../protocol/envelope/context.ts'
import { contextInfo } from '../../protocol/envelope/context.ts'
import { FIELD_HPKE, openField, openFields, sealField } from '../../protocol/envelope/field.ts'
import { EMPTY } from '../../protocol/envelope/hpke.ts'
import { generatePrivateKey, importPrivateKey } from '../../protocol/envelope/keys.ts'
import { importLegacyKey, openLegacies, readLegacyText } from '../../protocol/envelope/legacy.ts'
import type { SuiteLetter } from '../../protocol/envelope/suites.ts'
import { parseToken, splitBody } from '../../protocol/envelope/token.ts'
import type { Figure } from './figure.ts'
import { median } from './measure.ts'

const ROUNDS = 60
const PER_ROUND = 100

const context: Context = {
  namespace: 'default',
  key: 'orders',
  field: 'card.number',
  record: 'cust_cards/42',
}

export const figures: { name: string; run: () => Promise<Figure> }[] = [
  {
    name: 'hpke-open',
    run: () => {
      const { privateKey, token } = sample('x', 1)
      const { enc, ciphertext } = splitBody(parseToken(token))
      const info = contextInfo(context)
      return ratio('hpke-open', 0.5, privateKey.floorKey, () => {
        for (let i = 0; i < PER_ROUND; i++) FIELD_HPKE.x.open(privateKey.main, enc, info, EMPTY, ciphertext)
      })
    },
  },
  {
    name: 'hpke-batch',
    run: () => {
      const { privateKey, token } = sample('x', 1)
      const items = Array.from({ length: PER_ROUND }, () => ({
        privateKey,
        token: parseToken(token),
        context,
      }))
      return ratio('hpke-batch', 0.8, privateKey.floorKey, async () => {
        for (const result of await openFields(items)) {
          if (result instanceof Error) throw result
        }
      })
    },
  },
  {
    // Where another HPKE stands on the same floor: the package `hpke`, with its own key object.
    name: 'hpke-peer',
    run: async () => {
      const { privateKey, token } = sample('x', 1)
      const { enc, ciphertext } = splitBody(parseToken(token))
      const info = contextInfo(context)
      const suite = new peer.CipherSuite(
        peer.KEM_DHKEM_X25519_HKDF_SHA256,
        peer.KDF_HKDF_SHA256,
        peer.AEAD_ChaCha20Poly1305,
      )
      const raw = privateKey.floorKey.export({ type: 'pkcs8', format: 'der' }).subarray(-32)
      const theirs = await suite.DeserializePrivateKey(new Uint8Array(raw), false)
      return ratio('hpke-peer', null, privateKey.floorKey, async () => {
        for (let i = 0; i < PER_ROUND; i++) await suite.Open(theirs, enc, ciphertext, { info })
      })
    },
  },
  {
    // A shop's old values: the appliance's way of opening them against OpenSSL's alone, RSA of 2,048 bits.
    name: 'rsa-open',
    run: () => {
      const { privateKey: key, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
      const padding = constants.RSA_PKCS1_PADDING
      const ciphertext = publicEncrypt(
        { key: publicKey, padding },
        Buffer.from('\t4111111111111111\t737\t12/27'),
      )
      const form = {
        padding: 'pkcs1',
        separator: '\t',
        fields: ['', 'card.number', '', 'card.expiry'],
      } as const
      const privateKey = importLegacyKey(key.export({ type: 'pkcs8', format: 'der' }), form)
      const text = ciphertext.toString('base64')
      const bare = () => {
        for (let i = 0; i < PER_ROUND; i++) privateDecrypt({ key, padding }, ciphertext)
      }
      const items = () =>
        Array.from({ length: PER_ROUND }, () => ({ privateKey, ciphertext: readLegacyText(text) }))
      return compare('rsa-open', null, bare, async () => {
        for (const result of await openLegacies(items())) if (result instanceof Error) throw result
      })
    },
  },
  fieldOpen('field-open', 'x'),
  fieldOpen('field-open-p', 'p'),
  fieldOpen('field-open-q', 'q'),
]

/** Whichever suite it is, the floor is a bare X25519. */
function fieldOpen(name: string, suite: SuiteLetter): (typeof figures)[number] {
  return {
    name,
    run: () => {
      const { privateKey, token } = sample(suite, 0)
      const floorKey = privateKey.floorKey ?? generateKeyPairSync('x25519').privateKey
      return ratio(name, null, floorKey, () => {
        for (let i = 0; i < PER_ROUND; i++) openField(privateKey, token, context)
      })
    },
  }
}

function sample(suite: SuiteLetter, lanes: number) {
  const { pkcs8, publicKey } = generatePrivateKey(suite)
  const imported = importPrivateKey(suite, pkcs8, lanes)
  const token = sealField(
    { suite, namespace: context.namespace, key: context.key, version: 1, bytes: publicKey },
    context,
    new TextEncoder().encode('4111111111111111'),
  )
  const floorKey = imported.main.kem === 'x25519' ? imported.main.key : undefined
  return { privateKey: { ...imported, floorKey: floorKey as KeyObject }, token }
}

/** `subject` does {@link PER_ROUND} operations. The value is floor time over subject time: 1 is as fast as the floor. */
async function ratio(
  name: string,
  bar: number | null,
  privateKey: KeyObject,
  subject: () => void | Promise<void>,
): Promise<Figure> {
  const publicKey = createPublicKey(generateKeyPairSync('x25519').privateKey)
  const bare = () => {
    for (let i = 0; i < PER_ROUND; i++) diffieHellman({ privateKey, publicKey })
  }
  return compare(name, bar, bare, subject)
}

/** Both do {@link PER_ROUND} operations. */
async function compare(
  name: string,
  bar: number | null,
  bare: () => void,
  subject: () => void | Promise<void>,
): Promise<Figure> {
  await nanoseconds(bare)
  await nanoseconds(subject)
  const floors: number[] = []
  const subjects: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    floors.push(await nanoseconds(bare))
    subjects.push(await nanoseconds(subject))
  }
  const floor = median(floors)
  return { name, value: floor / median(subjects), unit: 'x', floor, bar, better: 'higher' }
}

/** Time of one operation out of {@link PER_ROUND}, ns. */
async function nanoseconds(round: () => void | Promise<void>): Promise<number> {
  const start = process.hrtime.bigint()
  await round()
  return Number(process.hrtime.bigint() - start) / PER_ROUND
}
