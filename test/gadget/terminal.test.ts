/** The device's end of the gadget's line, on terminals that the kernel makes without USB, with every fault of a cable. */
import { randomBytes } from 'node:crypto'
import { readdirSync, readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { GadgetTerminal, isGadgetTerminal, openTerminal } from '../../appliance/gate/gadget-terminal.ts'
import type { SerialPair } from '../../host-agent/cli/demo/serial-pair.ts'
import { openSerialPair } from '../../host-agent/cli/demo/serial-pair.ts'
import { layCable } from '../link/ends.ts'

/** Two terminals, or null where no tool for them is installed. */
async function cable(t: Test): Promise<SerialPair | null> {
  return (await layCable(t, 'socat')) ?? null
}

/** Terminals that this process has open. */
function terminals(): string[] {
  const links = readdirSync('/proc/self/fd').map(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return ''
    }
  })
  return links.filter(link => link.startsWith('/dev/pts/')).sort()
}

t.test('Only the terminals of gadgets are opened this way', async t => {
  t.ok(isGadgetTerminal('/dev/ttyGS0') && isGadgetTerminal('/dev/ttyGS12'))
  for (const path of ['/dev/ttyACM0', '/dev/pts/1', '/dev/ttyGS', 'unix:/dev/ttyGS0', '/dev/ttyGS0/x'])
    t.notOk(isGadgetTerminal(path), path)
})

t.test('When bytes of every value go both ways, then they come as they went', async t => {
  const pair = await cable(t)
  if (!pair) return
  const [device, host] = [await openTerminal(pair.device), await openTerminal(pair.host)]
  const bytes = Buffer.concat([Buffer.from(Array.from({ length: 256 }, (_, i) => i)), randomBytes(300_000)])
  for (const [from, to] of [
    [device, host],
    [host, device],
  ] as const) {
    const received: Buffer[] = []
    let length = 0
    const { promise, resolve } = Promise.withResolvers<void>()
    const take = (chunk: Buffer) => {
      received.push(chunk)
      length += chunk.length
      if (length >= bytes.length) resolve()
    }
    to.stream.on('data', take)
    from.stream.write(bytes)
    await promise
    to.stream.off('data', take)
    t.ok(Buffer.concat(received).equals(bytes))
  }
  await Promise.all([device.close(), host.close()])
})

t.test(
  'When the host stops reading, then writes wait without work, and nothing is lost when it reads again',
  async t => {
    const pair = await cable(t)
    if (!pair) return
    const device = await openTerminal(pair.device)
    const host = await openTerminal(pair.host)
    const bytes = randomBytes(1_000_000)
    let written = false
    device.stream.write(bytes, () => {
      written = true
    })
    await sleep(200)
    const before = process.cpuUsage()
    await sleep(500)
    const { user, system } = process.cpuUsage(before)
    t.notOk(written, 'it waits')
    t.ok(device.stream.writableNeedDrain, 'and says so')
    t.ok(user + system < 250_000, 'without asking the terminal again and again')
    const received: Buffer[] = []
    let length = 0
    for await (const chunk of host.stream as AsyncIterable<Buffer>) {
      received.push(chunk)
      length += chunk.length
      if (length >= bytes.length) break
    }
    t.ok(Buffer.concat(received).equals(bytes))
    t.ok(written)
    await Promise.all([device.close(), host.close()])
  },
)

t.test('When the terminal hangs up, then its stream ends, and no descriptor is left', async t => {
  const before = terminals()
  for (const busy of [false, true]) {
    const pair = await openSerialPair({ dir: t.testdir(), tool: 'python3' }).catch((error: Error) => error)
    if (pair instanceof Error) {
      if (process.env.CI) t.fail('python3 has to be installed where CI is set')
      else t.plan(0, 'python3 is not installed')
      return
    }
    const device = await openTerminal(pair.device)
    device.stream.resume()
    if (busy) device.stream.write(randomBytes(1_000_000))
    // not `once`, for which an error is the end
    const closed = new Promise<void>(resolve => device.stream.once('close', () => resolve()))
    await pair.close()
    await closed
    await device.close()
    t.same(terminals(), before, busy ? 'with bytes under way' : 'while nothing moves')
  }
  const idle = await cable(t)
  if (!idle) return
  const held = terminals().length
  await (await openTerminal(idle.device)).close()
  t.equal(terminals().length, held, 'nor when nobody ever read it')
  await t.rejects(openTerminal(`${idle.device}-missing`), { code: 'ENOENT' })
  // as a terminal is that hung up between the two openings
  const open = readdirSync('/proc/self/fd').length
  await t.rejects(openTerminal('/dev/null'), { code: 'ERR_TTY_INIT_FAILED' })
  t.equal(readdirSync('/proc/self/fd').length, open)
})

t.test('When no host is there, then nothing is open; when one comes, then it is opened at once', async t => {
  const pair = await cable(t)
  if (!pair) return
  const held = terminals().length
  const told: boolean[] = []
  let present = false
  const terminal = new GadgetTerminal(pair.device, {
    configured: async () => {
      told.push(present)
      return present
    },
  })
  const port = terminal.next()
  while (told.length < 3) await sleep(5)
  t.equal(terminals().length, held)
  present = true
  const opened = await port
  t.equal(terminals().length, held + 1)
  await opened.close()
})

t.test(
  'When the host goes while the terminal is being opened, then it is closed and waited for again',
  async t => {
    const pair = await cable(t)
    if (!pair) return
    const answers = [true, false, false, true, true]
    const terminal = new GadgetTerminal(pair.device, { configured: async () => answers.shift() ?? true })
    const held = terminals().length
    const port = await terminal.next()
    t.same(answers, [])
    t.equal(terminals().length, held + 1, 'of the two that were opened one is left')
    await port.close()
  },
)

t.test('When the line is stopped while it waits, then the wait ends', async t => {
  const terminal = new GadgetTerminal('/dev/ttyGS99', { configured: async () => false })
  const waiting = terminal.next()
  await sleep(50)
  terminal.close()
  await t.rejects(waiting, /stopped/)
  await t.rejects(terminal.next(), /stopped/)
})
