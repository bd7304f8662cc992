/** What the keeper's end of the RPC leaves in memory: nothing secret, whether it answered, refused or failed. */

import { Duplex } from 'node:stream'
import t from 'tap'
import { frame } from '../../appliance/ipc/frame.ts'
import type { Handler } from '../../appliance/keeper/rpc/server.ts'
import { RpcServer } from '../../appliance/keeper/rpc/server.ts'
import { ClavigerError } from '../../protocol/api/errors.ts'
import { type Cbor, decodeCbor } from '../../protocol/cbor.ts'

const caller = {
  pin: new Uint8Array(32).fill(1),
  namespace: 'default',
  role: 'operator',
  name: 'till-1',
  issuer: { namespace: 'default', role: 'authority', name: 'claviger' },
}
const secret = () => new Uint8Array(32).fill(0xaa)
const isZero = (bytes: Uint8Array) => bytes.every(byte => byte === 0)

/** A server on a socket that keeps what was written to it, and says so only when told. */
function connected(handler: Handler) {
  const written: { chunk: Buffer; done: () => void }[] = []
  const arrived: { count: number; resolve: () => void }[] = []
  const socket = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      written.push({ chunk, done })
      for (const { count, resolve } of arrived) if (written.length >= count) resolve()
    },
  })
  const server = new RpcServer(handler, () => [])
  server.serve(socket as never)
  return {
    socket,
    written,
    ask: (...request: Cbor[]) => socket.push(frame(request)),
    answers: (count: number) =>
      new Promise<void>(resolve => {
        arrived.push({ count, resolve })
        if (written.length >= count) resolve()
      }),
  }
}
const messageIn = (chunk: Buffer) => decodeCbor(Uint8Array.from(chunk.subarray(4)))

t.test('When factors were used, refused, or of another shape, then the keeper zeroed them', async t => {
  const seen: Uint8Array[][] = []
  const { ask, answers, written } = connected(((_method, _caller, params) => {
    const values = Object.values(params).filter(value => value instanceof Uint8Array)
    seen.push(values)
    t.ok(
      values.every(value => Buffer.compare(value, secret()) === 0),
      'they are whole while they are used',
    )
    if (seen.length === 2) throw new ClavigerError('unlock-refused')
    if (seen.length === 3) return Promise.reject(new ClavigerError('slot-destroyed'))
    return { state: 'operational' }
  }) as Handler)
  const outcomes: unknown[] = []
  for (let id = 1; id <= 3; id++) {
    ask(id, 'unlock', caller, { pin: secret(), hostShare: secret() })
    await answers(id)
    const { chunk, done } = written[id - 1]!
    outcomes.push((messageIn(chunk) as unknown[])[2])
    done()
  }
  t.same(outcomes, [undefined, 'unlock-refused', 'slot-destroyed'])
  t.equal(seen.flat().length, 6)
  t.ok(seen.flat().every(isZero))
  t.ok(isZero(caller.pin) === false, 'the pin of the caller is no secret')
})

t.test('When plaintexts are answered, then they and their frame are zeroed once written', async t => {
  const plaintexts = [secret(), secret()]
  const { ask, answers, written } = connected((() => ({
    opened: [plaintexts[0], 'open-failed', plaintexts[1]],
    index: 7,
  })) as never)
  ask(1, 'decrypt', caller, { purpose: 'ship', reason: '', items: [['a', 'b', 'c', 'full', 0]] })
  await answers(1)
  const { chunk, done } = written[0]!
  t.same(
    messageIn(chunk),
    [1, { opened: [secret(), 'open-failed', secret()], index: 7 }],
    'the answer is whole while it is written',
  )
  t.ok(plaintexts.every(isZero))
  done()
  await new Promise(resolve => setImmediate(resolve))
  t.ok(isZero(chunk))
})

t.test('When the gate is gone before its answer, then the answer is zeroed too', async t => {
  const plaintext = secret()
  const result = Promise.withResolvers<never>()
  const { ask, socket, written } = connected((() => result.promise) as never)
  ask(1, 'decrypt', caller, { purpose: 'ship', reason: '', items: [['a', 'b', 'c', 'full', 0]] })
  await new Promise(resolve => setImmediate(resolve))
  socket.destroy()
  result.resolve({ opened: [plaintext], index: 7 } as never)
  await new Promise(resolve => setImmediate(resolve))
  t.ok(isZero(plaintext))
  t.equal(written.length, 0)
})

t.test('When what is answered is the registry, then it stays as it is', async t => {
  const pin = secret()
  const row = { name: 'till-1', role: 'operator', pin, since: 1, expires: null }
  const { ask, answers, written } = connected((() => [row]) as never)
  ask(1, 'listAgents', caller, {})
  await answers(1)
  written[0]!.done()
  await new Promise(resolve => setImmediate(resolve))
  t.same(pin, secret())
})
