/** DNS messages written and read by hand (RFC 1035 §4), apart from the package under test, and a peer that speaks them raw. */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

/** One record. `data` is for PTR a name, for A an address, for TXT a list of texts, for SRV port and target. */
export interface Record {
  name: string
  type: 'PTR' | 'A' | 'TXT' | 'SRV'
  ttl?: number
  data: unknown
}

/** What was read of a message. */
export interface Message {
  response: boolean
  questions: string[]
  answers: Record[]
}

const TYPES = { A: 1, PTR: 12, TXT: 16, SRV: 33 } as const
const ANY = 255

function nameBytes(name: string): Buffer {
  const labels = name.split('.').map(label => Buffer.from(label))
  return Buffer.concat([...labels.flatMap(label => [Buffer.of(label.length), label]), Buffer.of(0)])
}

function u16(...values: number[]): Buffer {
  const bytes = Buffer.alloc(2 * values.length)
  for (const [at, value] of values.entries()) bytes.writeUInt16BE(value & 0xffff, 2 * at)
  return bytes
}

function dataBytes({ type, data }: Record): Buffer {
  if (type === 'PTR') return nameBytes(data as string)
  if (type === 'A') return Buffer.from((data as string).split('.').map(Number))
  if (type === 'TXT')
    return Buffer.concat(
      (data as string[]).flatMap(text => [Buffer.of(Buffer.byteLength(text)), Buffer.from(text)]),
    )
  const { port, target } = data as { port: number; target: string }
  return Buffer.concat([u16(0, 0, port), nameBytes(target)])
}

/** Writes an answer. */
export function writeResponse(answers: Record[]): Buffer {
  const records = answers.map(record => {
    const data = dataBytes(record)
    const ttl = record.ttl ?? 120
    return Buffer.concat([
      nameBytes(record.name),
      u16(TYPES[record.type], 1, ttl >>> 16, ttl, data.length),
      data,
    ])
  })
  return Buffer.concat([u16(0, 0x8400, 0, answers.length, 0, 0), ...records])
}

/** Writes a question for each name. */
export function writeQuery(names: string[], type: keyof typeof TYPES | 'ANY' = 'PTR'): Buffer {
  const code = type === 'ANY' ? ANY : TYPES[type]
  return Buffer.concat([
    u16(0, 0, names.length, 0, 0, 0),
    ...names.map(name => Buffer.concat([nameBytes(name), u16(code, 1)])),
  ])
}

/** Reads a message; answers and additional records alike. */
export function readMessage(bytes: Buffer): Message {
  const [questionCount, ...counts] = [4, 6, 8, 10].map(at => bytes.readUInt16BE(at))
  let at = 12
  const name = (from = at): string => {
    const labels: string[] = []
    let here = from
    let end: number | undefined
    for (;;) {
      const length = bytes[here]!
      if (length >= 0xc0) {
        end ??= here + 2
        here = bytes.readUInt16BE(here) - 0xc000
      } else {
        here++
        if (length === 0) break
        labels.push(bytes.toString('latin1', here, here + length))
        here += length
      }
    }
    at = end ?? here
    return labels.join('.')
  }
  const questions = Array.from({ length: questionCount! }, () => {
    const asked = name()
    at += 4
    return asked
  })
  const answers = Array.from({ length: counts.reduce((a, b) => a + b) }, (): Record => {
    const owner = name()
    const code = bytes.readUInt16BE(at)
    const ttl = bytes.readUInt32BE(at + 4)
    const start = at + 10
    const end = start + bytes.readUInt16BE(at + 8)
    at = start
    const type = (Object.keys(TYPES) as (keyof typeof TYPES)[]).find(key => TYPES[key] === code)
    if (!type) throw new Error(`a record of type ${code}`)
    let data: unknown
    if (type === 'PTR') data = name()
    else if (type === 'A') data = [...bytes.subarray(start, end)].join('.')
    else if (type === 'SRV') data = { port: bytes.readUInt16BE(start + 4), target: name(start + 6) }
    else {
      const texts: string[] = []
      for (let i = start; i < end; i += bytes[i]! + 1)
        texts.push(bytes.toString('latin1', i + 1, i + 1 + bytes[i]!))
      data = texts
    }
    at = end
    return { name: owner, type, ttl, data }
  })
  return { response: (bytes.readUInt16BE(2) & 0x8000) !== 0, questions, answers }
}

/** A UDP port for one test: nothing on the real network, and no other test, shall hear it. */
export function privatePort(): number {
  return 20_000 + Math.floor(Math.random() * 12_000)
}

/** Somebody else on the loopback's link: hears what others say there, and sends what it likes. */
export class Peer {
  readonly #socket: Socket
  readonly #port: number
  /** What it sent itself, which the loopback brings back. */
  readonly #sent = new Set<string>()
  readonly heard: Message[] = []

  private constructor(socket: Socket, port: number) {
    this.#socket = socket
    this.#port = port
    socket.on('message', bytes => {
      if (!this.#sent.has(bytes.toString('base64'))) this.heard.push(readMessage(bytes))
    })
  }

  /** @param address - of the loopback; `listen` false binds to a port of its own */
  static async on(port: number, address = '127.0.0.1', listen = true): Promise<Peer> {
    const socket = createSocket({ type: 'udp4', reuseAddr: true })
    socket.bind(listen ? { port, address: '0.0.0.0' } : { port: 0, address })
    await once(socket, 'listening')
    if (listen) socket.addMembership('224.0.0.251', '127.0.0.1')
    socket.setMulticastInterface('127.0.0.1')
    return new Peer(socket, port)
  }

  /** To everybody, or to one address. */
  send(bytes: Buffer, to = '224.0.0.251'): Promise<void> {
    this.#sent.add(bytes.toString('base64'))
    return new Promise((resolve, reject) =>
      this.#socket.send(bytes, this.#port, to, error => (error ? reject(error) : resolve())),
    )
  }

  /** Responses heard until now. */
  get responses(): Message[] {
    return this.heard.filter(({ response }) => response)
  }

  close(): Promise<void> {
    return new Promise(resolve => this.#socket.close(() => resolve()))
  }
}
