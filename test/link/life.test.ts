/** What a line does to its process: what it loads, when it keeps it alive, and what is left when it is killed. */

import { once } from 'node:events'
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { openSerialPair, type PairTool } from '../../host-agent/cli/demo/serial-pair.ts'
import { kill, start } from './ends.ts'

const TOOLS = ['socat', 'python3'] as const satisfies PairTool[]

/** Runs one of the programs of life-end.ts to its own end. */
async function run(t: Test, what: string, path: string): Promise<{ code: number | null; said: string[] }> {
  const child = start(t, 'life-end.ts', what, path)
  const [said, [code]] = await Promise.all([text(child.stdout!), once(child, 'exit')])
  return { code, said: said.trim().split('\n') }
}

t.test('When only the LAN or a socket is used, then serialport is never loaded', async t => {
  const dir = t.testdir()
  const none = '{"modules":false,"native":false}'
  t.strictSame(await run(t, 'loads over LAN', ''), { code: 0, said: [none] })
  t.strictSame(await run(t, 'loads over a socket', join(dir, 'line')), {
    code: 0,
    said: ['unreachable', none],
  })
  const both = '{"modules":true,"native":true}'
  t.strictSame(
    await run(t, 'loads over a terminal', join(dir, 'missing')),
    { code: 0, said: [both] },
    'and else it is seen',
  )
})

t.test(
  'When a cable is missing, then a device waits for it, and a host does not keep its process',
  async t => {
    const missing = join(t.testdir(), 'missing')
    t.strictSame(await run(t, 'a device without a cable', missing), { code: 0, said: ['stopped'] })
    t.strictSame(await run(t, 'a host without a cable', missing), { code: 0, said: ['failed'] })
  },
)

t.test('When a line is open and its bytes find no reader, then its process can still end', async t => {
  const pair = await openSerialPair({ dir: t.testdir() })
  t.teardown(() => pair.close())
  if (pair.tool === 'stream') {
    t.plan(0, 'no tool for terminals is installed')
    return
  }
  t.strictSame(await run(t, 'a line that is stopped', pair.host), { code: 0, said: ['stopped'] })
  t.strictSame(await run(t, 'an exit', pair.host), { code: 7, said: ['exit'] })
  const child = start(t, 'life-end.ts', 'an open line', pair.host)
  const said = text(child.stdout!)
  await Promise.race([once(child, 'message'), once(child, 'exit')])
  t.equal(child.exitCode, null, 'an open line keeps it alive')
  child.kill('SIGTERM')
  t.strictSame(await once(child, 'exit'), [null, 'SIGTERM'])
  t.equal(await said, '', 'until a signal ends it')
})

for (const tool of TOOLS) {
  t.test(`When a process that laid a cable with ${tool} is killed, then the cable ends`, async t => {
    const dir = t.testdir()
    const probe = await openSerialPair({ dir, tool }).catch((error: Error) => error)
    if (probe instanceof Error) {
      if (process.env.CI) t.fail(`${tool} has to be installed where CI is set`, { error: probe })
      else t.plan(0, `${tool} is not installed`)
      return
    }
    await probe.close()
    const maker = start(t, 'life-end.ts', 'a pair', dir, tool)
    await once(maker, 'message')
    const ends: FileHandle[] = []
    for (const name of ['device', 'host']) {
      const end = await open(join(dir, name), constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK)
      t.teardown(() => end.close())
      t.notOk(await hungUp(end), `${name} is there`)
      ends.push(end)
    }
    await kill(maker)
    for (const end of ends) while (!(await hungUp(end))) await sleep(20)
    t.pass('both ends have hung up')
  })
}

/** Whether nobody holds the other side of this terminal. */
async function hungUp(end: FileHandle): Promise<boolean> {
  try {
    return (await end.read(Buffer.alloc(64), 0, 64)).bytesRead === 0
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EAGAIN' && code !== 'EIO') throw error
    return code === 'EIO'
  }
}
