/** Keeping a port open, and the repair of serialport's poller, without a port. */

import { EventEmitter } from 'node:events'
import { PassThrough } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { keepOpen } from '../../protocol/link/line.ts'
import { mendPoller, mendRead, type OpenPort } from '../../protocol/link/serial-port.ts'

function bench(fails: (attempt: number) => boolean, reopen = true) {
  const pauses: number[] = []
  const due: (() => void)[] = []
  const ports: PassThrough[] = []
  const failures: (Error | null)[] = []
  let tries = 0
  let closed = 0
  const line = keepOpen({
    open: async (): Promise<OpenPort> => {
      if (fails(tries++)) throw new Error('no such port')
      const stream = new PassThrough()
      return {
        stream,
        close: async () => {
          closed++
          stream.destroy()
        },
      }
    },
    onPort: port => ports.push(port as PassThrough),
    onFailure: error => failures.push(error),
    reopen,
    timers: {
      setTimeout: (callback, ms) => {
        pauses.push(ms)
        due.push(callback)
      },
      clearTimeout: () => due.splice(0),
    },
  })
  const next = async () => {
    await turn()
    for (const callback of due.splice(0)) callback()
    await turn()
  }
  return { line, pauses, ports, failures, next, counts: () => ({ tries, closed }) }
}

t.test(
  'When a port does not open, then the pauses double up to a limit, and start again after a success',
  async t => {
    const { line, pauses, ports, failures, next } = bench(attempt => attempt < 8 || attempt === 9)
    for (let i = 0; i < 8; i++) await next()
    t.strictSame(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000])
    t.equal(ports.length, 1)
    ports[0]!.destroy(new Error('pulled'))
    await next()
    await next()
    t.strictSame(pauses.slice(8), [100, 200])
    t.match(failures[8], { message: 'pulled' })
    t.equal(ports.length, 2)
    await line.stop()
  },
)

t.test('When a port ends, errors or closes, then it is closed once and another is opened', async t => {
  const { line, ports, next, counts } = bench(() => false)
  await turn()
  ports[0]!.resume().end()
  await next()
  ports[1]!.emit('error', new Error('EIO'))
  ports[1]!.emit('error', new Error('late'))
  await next()
  ports[2]!.emit('close')
  await next()
  t.equal(ports.length, 4)
  t.equal(counts().closed, 3)
  await line.stop()
  t.equal(counts().closed, 4, 'stop closes the last')
  t.equal(await line.closed, null)
  await next()
  t.equal(ports.length, 4, 'and nothing is opened after it')
})

t.test('When it is stopped in a pause, then it ends at once', async t => {
  const { line, next, counts } = bench(() => true)
  await next()
  await line.stop()
  t.equal(counts().tries, 2)
})

t.test('When it shall not reopen, then it tells why it ended', async t => {
  const refused = bench(() => true, false)
  t.match(await refused.line.closed, { message: 'no such port' })
  const pulled = bench(() => false, false)
  await turn()
  pulled.ports[0]!.destroy(new Error('pulled'))
  t.match(await pulled.line.closed, { message: 'pulled' })
  t.strictSame(pulled.counts(), { tries: 1, closed: 1 })
})

t.test('When a write begins to wait while a read waits, then the poller is asked for both', async t => {
  const asked: number[] = []
  class Poller extends EventEmitter {
    poll(flags: number): void {
      asked.push(flags)
    }
  }
  const poller = new Poller()
  mendPoller({ poller })
  poller.poll(1)
  poller.poll(2)
  poller.emit('writable', null)
  poller.poll(4)
  poller.emit('readable', null)
  poller.emit('disconnect', null)
  poller.poll(2)
  t.strictSame(asked, [1, 3, 5, 2])
  for (const without of [undefined, null, {}, { poller: {} }]) mendPoller(without)
})

t.test('When a terminal hung up, then a read of nothing is its end and no loop', async t => {
  const answers: (number | string)[] = ['EAGAIN', 5, 'EINTR', 0]
  const poller = Object.assign(new EventEmitter(), { poll: () => {} })
  const binding = { fd: 7 as number | null, poller, read: async () => ({ bytesRead: -1 }) }
  mendRead(binding, async () => {
    const answer = answers.shift()
    if (typeof answer === 'string') throw Object.assign(new Error(answer), { code: answer })
    return { bytesRead: answer ?? 0 }
  })
  const read = binding.read as unknown as (buffer: Buffer, from: number, length: number) => Promise<object>
  const first = read(Buffer.alloc(8), 0, 8)
  await turn()
  poller.emit('readable', null)
  t.match(await first, { bytesRead: 5 })
  const second = read(Buffer.alloc(8), 0, 8)
  await turn()
  poller.emit('readable', null)
  await t.rejects(second, { message: 'the terminal hung up' })
  t.equal(answers.length, 0)
  binding.fd = null
  const closed = await read(Buffer.alloc(8), 0, 8).catch(error => error)
  t.match(closed, { canceled: true })
  for (const without of [undefined, null, {}, { fd: 3 }]) mendRead(without, async () => ({ bytesRead: 0 }))
})
