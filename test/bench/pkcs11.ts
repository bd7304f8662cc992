/** RSA over PKCS#11: our token, with all that is behind it, against SoftHSM2 behind p11-kit's own server; one client for both. */
import { constants, generateKeyPairSync, publicEncrypt } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { CKA, CKM, CKO } from '../../host-agent/plugins/pkcs11/constants.ts'
import type { CallName } from '../../host-agent/plugins/pkcs11/wire/calls.ts'
import { frame } from '../../host-agent/plugins/pkcs11/wire/frames.ts'
import type { Reader } from '../../host-agent/plugins/pkcs11/wire/reader.ts'
import {
  ay,
  HANDSHAKE,
  oaep,
  type Part,
  readAnswer,
  readBytes,
  readNumbers,
  request,
  room,
  template,
  u,
  y,
} from '../plugins/pkcs11/requests.ts'
import { PIN, temporaryDirectory } from '../support/appliance.ts'
import type { Figure } from './figure.ts'
import { inTurns, MEMORY } from './measure.ts'
import { ours, softhsm } from './pkcs11-servers.ts'

const VALUE = '4242424242424242'
const HEADER = 12
const ROUNDS = 400
/** Our three processes are compiled as they work: after 1,600 decrypts they still need twice of what they need after 12,000. */
const WARM_UP = 3000
/** SoftHSM2 knows no other hash for OAEP. */
const MECHANISM = oaep({ hash: CKM.SHA_1, mgf: 1 })

/** A client that is logged in, and decrypts with the only private key. */
class Client {
  readonly #socket: Socket
  #waiting = Buffer.alloc(0)
  #wake: () => void = () => {}
  #code = 0
  #session = 0
  #key = 0

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#waiting = Buffer.concat([this.#waiting, chunk])
      this.#wake()
    })
  }

  static async connect(path: string): Promise<Client> {
    const socket = connect(path)
    await once(socket, 'connect')
    const client = new Client(socket)
    socket.write(Uint8Array.of(1))
    await client.#take(1)
    await client.#call('initialize', ay(HANDSHAKE), y(0), ay('\0'))
    const [slot] = readNumbers(await client.#call('getSlotList', y(1), room(8))) as number[]
    client.#session = (await client.#call('openSession', u(slot!), u(6))).ulong()
    const session = u(client.#session)
    await client.#call('login', session, u(1), ay(PIN))
    await client.#call('findObjectsInit', session, template([CKA.CLASS, CKO.PRIVATE_KEY]))
    client.#key = (readNumbers(await client.#call('findObjects', session, room(1))) as number[])[0]!
    await client.#call('findObjectsFinal', session)
    return client
  }

  async decrypt(block: Uint8Array): Promise<void> {
    await this.#call('decryptInit', u(this.#session), MECHANISM, u(this.#key))
    const value = readBytes(await this.#call('decrypt', u(this.#session), ay(block), room(256)))
    if (Buffer.from(value as Uint8Array).toString() !== VALUE) throw new Error('this is another value')
  }

  end(): void {
    this.#socket.destroy()
  }

  async #call(name: CallName, ...parts: Part[]): Promise<Reader> {
    this.#socket.write(frame(++this.#code, request(name, ...parts)))
    const header = await this.#take(HEADER)
    await this.#take(header.readUInt32BE(4))
    const answer = readAnswer(Uint8Array.from(await this.#take(header.readUInt32BE(8))))
    if (!('results' in answer)) throw new Error(`${name} was refused with ${answer.rv}`)
    return answer.results
  }

  async #take(length: number): Promise<Buffer> {
    while (this.#waiting.length < length) {
      await new Promise<void>((resolve, reject) => {
        this.#wake = resolve
        this.#socket.once('close', () => reject(new Error('the server went away')))
      })
      this.#socket.removeAllListeners('close')
    }
    const taken = this.#waiting.subarray(0, length)
    this.#waiting = this.#waiting.subarray(length)
    return taken
  }
}

/** @param applications - that decrypt at once, each in a connection of its own */
async function rsa(name: string, applications: number, bar: number | null): Promise<Figure> {
  const directory = await temporaryDirectory(MEMORY)
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const block = publicEncrypt(
    { key: publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING },
    Buffer.from(VALUE),
  )
  const theirs = await softhsm(directory.path, privateKey)
  const own = await ours(directory.path, privateKey)
  const clients: Client[] = []
  const decrypting = async (path: string) => {
    const some: Client[] = []
    for (let i = 0; i < applications; i++) some.push(await Client.connect(path))
    clients.push(...some)
    return () => Promise.all(some.map(client => client.decrypt(block)))
  }
  try {
    const { floor, subject } = await inTurns(
      ROUNDS,
      WARM_UP,
      await decrypting(theirs.path),
      await decrypting(own.path),
    )
    // rates: as many of ours in the time of one of theirs
    const perSecond = (applications * 1000) / floor
    return { name, value: floor / subject, unit: 'x', floor: perSecond, bar, better: 'higher' }
  } finally {
    for (const client of clients) client.end()
    theirs.stop()
    await own.stop()
    await directory.remove()
  }
}

export const figures = [
  { name: 'pkcs11-rsa', run: () => rsa('pkcs11-rsa', 4, 0.5) },
  { name: 'pkcs11-rsa-single', run: () => rsa('pkcs11-rsa-single', 1, null) },
]
