/** A host that does not read: what the device's end does meanwhile, and when it ends. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { openTerminal } from '../../../appliance/gate/gadget-terminal.ts'
import { loadDeviceIdentity } from '../../../appliance/gate/identity.ts'
import { temporaryDirectory } from '../../support/appliance.ts'
import { bareNode } from '../../support/environment.ts'
import { DEVICE, gadget, HOST, hostTerminal, run } from './cable.ts'
import { figure } from './figures.ts'

const END = fileURLToPath(new URL('./stalled-end.ts', import.meta.url))
/** More than all buffers on the way. */
const TOTAL = 2_000_000
/** What a session of the link may have under way: of more, the host's kernel may drop some (docs/decisions/gadget-line.md). */
const WINDOW = 262_144
/** Ms; a guest that hangs shall say where. */
const LIMIT = { timeout: 4 * 60_000 }

/** A process that has more to write than anybody takes. */
async function writer(t: Test): Promise<ChildProcess> {
  const child = spawn(...bareNode(END, DEVICE, `${TOTAL}`), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child, 'message')
  return child
}

await t.test('a host that does not read', LIMIT, async t => {
  const directory = await temporaryDirectory()
  t.teardown(directory.remove)
  await loadDeviceIdentity(directory.path)
  const { code, said } = await gadget('up', '--identity', directory.path)
  t.equal(code, 0, said)
  t.teardown(() => gadget('down'))
  await hostTerminal()
  // serialport would read ahead
  await run('stty', ['-F', HOST, 'raw', '-echo'])

  await t.test('When it reads again, then every byte is there', async t => {
    const host = await openTerminal(HOST)
    const device = await openTerminal(DEVICE)
    const bytes = randomBytes(WINDOW)
    let written = false
    device.stream.write(bytes, () => {
      written = true
    })
    await sleep(1_000)
    const before = process.cpuUsage()
    await sleep(2_000)
    const { user, system } = process.cpuUsage(before)
    t.notOk(written, 'the device waits')
    t.ok(user + system < 1_000_000, 'and does not ask again and again')
    const hash = createHash('sha256')
    let length = 0
    for await (const chunk of host.stream as AsyncIterable<Buffer>) {
      hash.update(chunk)
      length += chunk.length
      if (length >= WINDOW) break
    }
    t.same(hash.digest(), createHash('sha256').update(bytes).digest())
    await Promise.all([device.close(), host.close()])
  })

  for (const signal of ['SIGTERM', 'SIGKILL'] as const)
    await t.test(`When the device's process gets ${signal} meanwhile, then it ends`, async t => {
      const host = await openTerminal(HOST)
      const child = await writer(t)
      const started = performance.now()
      child.kill(signal)
      await once(child, 'exit')
      figure(t, `stalled-${signal.toLowerCase()}`, performance.now() - started, 'ms')
      await host.close()
      t.pass('it has ended')
    })
})
