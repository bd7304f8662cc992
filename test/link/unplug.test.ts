/** A cable that is pulled, and a host that is killed: what stands at the other end goes on with the next. */

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openSerialLine as openDeviceLine } from '../../appliance/gate/serial-line.ts'
import { openSerialPair, type PairTool } from '../../host-agent/cli/demo/serial-pair.ts'
import { openSerialLine } from '../../host-agent/client/serial-line.ts'
import { Link } from '../../protocol/link/link.ts'
import { echoes, kill, layCable, start, startHost } from './ends.ts'

for (const tool of ['socat', 'python3'] as const satisfies PairTool[]) {
  t.test(`over ${tool}`, async t => {
    const pair = await layCable(t, tool)
    if (pair === null) return
    await survivesHost(t, pair.device, pair.host)
    await pair.close()
    await survivesPull(t, tool)
    await survivesIdlePull(t, tool)
  })
}

async function survivesHost(t: Test, devicePath: string, hostPath: string): Promise<void> {
  await t.test(
    'When the host is killed under load, then the device lives on and the next host has exact sessions',
    async t => {
      const device = new Link({ side: 'device' })
      const broken: unknown[] = []
      device.on('session', session => {
        session.on('error', error => broken.push(error))
        session.pipe(session)
      })
      const line = openDeviceLine(devicePath, { onPort: port => device.attach(port), pause: 20 })
      t.teardown(() => line.stop())
      for (let round = 1; round <= 2; round++) {
        const host = start(t, 'host-end.ts', hostPath)
        await once(host, 'message')
        t.equal(device.sessions, 4)
        await kill(host)
        t.equal(host.signalCode, 'SIGKILL')
      }
      const next = startHost(t, hostPath)
      await once(next, 'hello')
      t.ok(await echoes(next, 500_000))
      t.ok((await Promise.all(Array.from({ length: 8 }, () => echoes(next, 50_000)))).every(Boolean))
      t.equal(broken.length, 8, 'what the dead had open has failed')
      t.ok(broken.every(error => (error as { code?: string }).code === 'link-failed'))
      t.equal(device.counters.attached, 1, 'over the same port')
      t.equal(device.sessions, 0)
    },
  )
}

/** Two links over a cable that comes and goes, the device echoing. */
function twoEnds(t: Test) {
  const dir = t.testdir()
  const host = new Link({ side: 'host' })
  const device = new Link({ side: 'device' })
  device.on('session', session => session.pipe(session))
  const gone: unknown[] = []
  const times = { pause: 20, longest: 40 }
  const hostLine = openSerialLine(join(dir, 'host'), {
    ...times,
    onPort: port => host.attach(port),
    onFailure: error => gone.push(error),
  })
  const deviceLine = openDeviceLine(join(dir, 'device'), { ...times, onPort: port => device.attach(port) })
  const stop = () => Promise.all([hostLine.stop(), deviceLine.stop()])
  t.teardown(stop)
  return { dir, host, device, gone, stop }
}

async function survivesPull(t: Test, tool: PairTool): Promise<void> {
  await t.test(
    'When the cable is pulled and plugged in again, then the next session works and no descriptor is left',
    async t => {
      const { dir, host, gone, stop } = twoEnds(t)
      const before = terminals()
      for (let round = 0; round < 3; round++) {
        const hello = once(host, 'hello')
        const pair = await openSerialPair({ dir, tool })
        await hello
        const victim = host.open()
        victim.write(randomBytes(300_000))
        await once(victim, 'data')
        const failed = once(victim, 'error')
        await pair.close()
        t.match((await failed)[0], { code: 'link-failed' })
      }
      t.ok(gone.length >= 3)
      const hello = once(host, 'hello')
      const pair = await openSerialPair({ dir, tool })
      t.teardown(() => pair.close())
      await hello
      t.ok(await echoes(host, 100_000))
      await stop()
      await pair.close()
      t.strictSame(terminals(), before)
    },
  )
}

async function survivesIdlePull(t: Test, tool: PairTool): Promise<void> {
  await t.test(
    'When the cable is pulled while nothing moves, then both ends notice and find the next',
    async t => {
      const { dir, host, device, stop } = twoEnds(t)
      const before = terminals()
      for (let round = 1; round <= 3; round++) {
        const hello = once(host, 'hello')
        const pair = await openSerialPair({ dir, tool })
        await hello
        // the first round leaves a line that never carried a session
        if (round > 1) t.ok(await echoes(host, 1_000))
        t.equal(host.sessions + device.sessions, 0)
        const noticed = [once(host, 'detached'), once(device, 'detached')]
        await pair.close()
        for (const [reason] of await Promise.all(noticed)) t.match(reason, { code: 'link-failed' })
        t.notOk(host.attached || device.attached || host.greeted || device.greeted)
        await t.rejects(host.ping(), { code: 'link-failed' })
      }
      t.equal(host.counters.attached, 3)
      t.equal(device.counters.attached, 3)
      await stop()
      t.strictSame(terminals(), before)
    },
  )
}

/** The terminals that this process has open. */
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
