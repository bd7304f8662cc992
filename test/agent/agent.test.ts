/** The agent as its user meets it: real processes, a serial pair for each dongle, enrolments in a directory. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { openSerialLine } from '../../appliance/gate/serial-line.ts'
import { openSerialPair, type SerialPair } from '../../host-agent/cli/demo/serial-pair.ts'
import { localWires } from '../../host-agent/client/local-wires.ts'
import { writeProfile } from '../../host-agent/client/profile.ts'
import { agentSocket, devicesOfAgent } from '../../host-agent/client/tunnel.ts'
import { fromBase64url } from '../../protocol/bytes.ts'
import { deviceSerial } from '../../protocol/identity/device-serial.ts'
import { Link } from '../../protocol/link/link.ts'
import { runner } from '../cli/run.ts'
import { startAgent } from '../support/agent.ts'
import {
  flashCard,
  PASSPHRASE,
  PIN,
  type Processes,
  startProcesses,
  temporaryDirectory,
} from '../support/appliance.ts'
import { bareNode } from '../support/environment.ts'

interface Dongle {
  data: string
  pair: SerialPair
  processes: Processes
  serial: string
}

/** A provisioned device at the end of a cable; its administrator's enrolment is in `home`. */
async function plugIn(t: Test, home: string, name: string): Promise<Dongle> {
  const directory = await temporaryDirectory()
  t.teardown(() => directory.remove())
  const pair = await openSerialPair({ dir: directory.path })
  t.teardown(() => pair.close())
  const card = await flashCard(directory.path, '')
  const host = `serial:${pair.host}`
  const open = localWires({ CLAVIGER_HOME: home })
  const processes = await startProcesses(directory.path, { serial: pair.device, host, open })
  t.teardown(async () => {
    await processes.appliance.close()
    await processes.stop()
  })
  await processes.appliance.provision(card)
  await processes.appliance.close()
  const { admin } = processes.appliance
  await writeProfile(home, { ...admin, name, addresses: [host] })
  return { data: directory.path, pair, processes, serial: deviceSerial(fromBase64url(admin.device)!) }
}

t.setTimeout(150_000)

t.test('When dongles come, go and restart, then the agent serves them all', async t => {
  const outer = t
  const home = await temporaryDirectory()
  t.teardown(() => home.remove())
  const run = runner(home.path)
  const first = await plugIn(t, home.path, 'owner-1')
  const second = await plugIn(t, home.path, 'owner-2')
  const ports = [first.pair.host, second.pair.host]
  let agent = await startAgent(home.path, ports)
  t.teardown(() => agent.stop('SIGKILL'))
  await agent.line(new RegExp(`device ${first.serial} is operational; enrolled as owner-1`))
  await agent.line(new RegExp(`device ${second.serial} is operational; enrolled as owner-2`))

  await t.test('When two dongles are there, then each is reached by its serial number', async t => {
    for (const { serial, processes } of [first, second]) {
      const { stdout, status } = await run([
        'admin',
        'key',
        'list',
        '--json',
        '--at',
        `usb:${serial}`,
        '--as',
        processes === first.processes ? 'owner-1' : 'owner-2',
      ])
      t.equal(status, 0)
      t.match(JSON.parse(stdout), { keys: [] })
    }
    const unnamed = await run(['status', '--json', '--as', 'owner-1', '--at', 'usb:'])
    t.match(unnamed, {
      status: 1,
      stdout: /several dongles are plugged in; name one: usb:[0-9a-f]{16} or usb:/,
    })
    const unknown = await run(['status', '--as', 'owner-1', '--at', 'usb:0123456789abcdef'])
    t.match(unknown, { status: 1, stderr: /the dongle 0123456789abcdef is not there/ })
    const wrong = await run(['status', '--as', 'owner-1', '--at', `usb:${second.serial}`])
    t.match(wrong, { status: 1, stderr: /this is not the device that was enrolled with/ })
  })

  await t.test('When status is asked for, then it is a table of all of them', async t => {
    const { stdout, status } = await run(['status'])
    t.equal(status, 0)
    t.match(
      stdout,
      new RegExp(
        `^owner-1 +administrator +test device \\(${first.serial}\\) +serial:\\S+ +operational$`,
        'm',
      ),
    )
    t.match(
      stdout,
      new RegExp(
        `^owner-2 +administrator +test device \\(${second.serial}\\) +serial:\\S+ +operational$`,
        'm',
      ),
    )
  })

  await t.test('When a second agent is started, then it says that there is one', async t => {
    const { status, stderr } = await run(['agent'])
    t.equal(status, 1)
    t.match(stderr, /another claviger agent of this user runs already\nhint: /)
  })

  await t.test(
    'When an unattended machine is enrolled, then a restarted device is unlocked for it',
    async t => {
      const as = ['--as', 'owner-1']
      const invited = await run(['admin', 'agent', 'invite', 'server', '--unattended', '--json', ...as])
      t.equal(invited.status, 0, invited.stderr)
      const { invitation } = JSON.parse(invited.stdout)
      t.match(await run(['enrol', invitation, '--unattended']), { status: 0 })
      t.match((await run(['admin', 'agent', 'list', ...as])).stdout, /^server +operator .*unattended$/m)
      t.match(await run(['lock', ...as]), { status: 0 })
      await agent.line(/the device is locked/)
      await sleep(500)
      t.match((await run(['status', ...as])).stdout, /locked/, 'what a person locked stays locked')

      const from = agent.lines.length
      await first.processes.stop()
      first.processes = await startProcesses(first.data, { serial: first.pair.device })
      outer.teardown(() => first.processes.stop())
      await agent.line(/unlocked for server with the share of this machine; it is operational/, from)
      t.match(await run(['status', ...as]), { status: 0, stdout: /operational/ })
      const log = await run(['admin', 'audit', 'tail', '--json', ...as])
      t.match(log.stdout, /host-share/)
    },
  )

  await t.test('When the invitation does not say so, then no machine is enrolled unattended', async t => {
    const invited = await run(['admin', 'agent', 'invite', 'sly', '--json', '--as', 'owner-1'])
    t.equal(invited.status, 0, invited.stderr)
    const { invitation } = JSON.parse(invited.stdout)
    const refused = await run(['enrol', invitation, '--unattended'])
    t.match(refused, {
      status: 1,
      stderr: /this invitation is for a machine at which a PIN is typed\nhint: /,
    })
    t.match(
      await run(['enrol', invitation, '--pin-fd', '3'], { secret: PIN }),
      { status: 0 },
      'it is not used up',
    )
  })

  await t.test(
    'When the agent is killed, then the next one goes on, and who waits for it notices nothing',
    async t => {
      const invited = await run(['admin', 'agent', 'invite', 'till', '--json', '--as', 'owner-2'])
      t.match(await run(['enrol', JSON.parse(invited.stdout).invitation, '--without-pin']), { status: 0 })
      const open = localWires({ CLAVIGER_HOME: home.path })
      const { connectProfile } = await import('../../host-agent/client/connect.ts')
      const { readProfile } = await import('../../host-agent/client/profile.ts')
      const profile = await readProfile(home.path, 'owner-2')
      const appliance = await connectProfile(profile, { open, patience: { retryFor: 20_000 } })
      t.teardown(() => appliance.close())
      for (let round = 0; round < 3; round++) {
        t.match(await appliance.status(), { state: 'operational' })
        t.equal(await agent.stop('SIGKILL'), 'SIGKILL')
        const answer = appliance.status()
        agent = await startAgent(home.path, ports)
        t.match(await answer, { state: 'operational' })
      }
    },
  )

  await t.test('When no agent runs, then a command opens the port itself', async t => {
    t.equal(await agent.stop(), 0, 'it ends when it is told to')
    t.equal(await devicesOfAgent(agentSocket({ CLAVIGER_HOME: home.path })), null)
    t.match(await run(['status', '--as', 'owner-2']), { status: 0, stdout: /operational/ })
  })

  await t.test(
    'When another program holds the port, then the agent says which, and takes it when it is free',
    async t => {
      const holder = spawn(
        ...bareNode(
          '-e',
          `import('serialport').then(({ SerialPort }) => new SerialPort({ path: process.argv[1], baudRate: 9600 }, () => console.log('held')).resume())`,
          second.pair.host,
        ),
        { stdio: ['pipe', 'pipe', 'inherit'], cwd: join(import.meta.dirname, '../..') },
      )
      t.teardown(() => holder.kill('SIGKILL'))
      await once(holder.stdout!, 'data')
      const late = await startAgent(home.path, [second.pair.host])
      t.teardown(() => late.stop('SIGKILL'))
      const line = await late.line(/is held by/)
      t.match(line, new RegExp(`${second.pair.host} is held by .*node \\(process ${holder.pid}\\)`))
      const seen = await run(['status'])
      t.match(
        seen.stderr,
        new RegExp(`is held by .*node \\(process ${holder.pid}\\).*; end that program`, 's'),
      )
      holder.kill('SIGKILL')
      await late.line(new RegExp(`device ${second.serial} is operational`))
      t.equal(await late.stop(), 0)
    },
  )
})

t.test('When a device claims to be one that it is not, then nothing is sent to it', async t => {
  const home = await temporaryDirectory()
  t.teardown(() => home.remove())
  const real = await plugIn(t, home.path, 'owner')
  const pair = await openSerialPair({ dir: t.testdir() })
  t.teardown(() => pair.close())
  // a device that greets as the real one, and holds another key
  const { admin } = real.processes.appliance
  const liar = new Link({ side: 'device', hello: { deviceId: admin.device, state: 'locked' } })
  const other = await import('../../appliance/gate/identity.ts')
  const identity = await other.loadDeviceIdentity(join(pair.device, '../other'))
  const { createServer } = await import('node:tls')
  let heard = ''
  const server = createServer(
    { ...identity, cert: identity.certificate, requestCert: true, rejectUnauthorized: false },
    socket => {
      socket.on('error', () => {})
      socket.on('data', chunk => {
        heard += chunk
      })
    },
  )
  liar.on('session', session => server.emit('connection', session))
  const line = openSerialLine(pair.device, { onPort: port => liar.attach(port) })
  t.teardown(() => line.stop())

  const agent = await startAgent(home.path, [pair.host, real.pair.host])
  t.teardown(() => agent.stop('SIGKILL'))
  await agent.line(/\(owner\): this is not the device that was enrolled with; if the device was replaced/)
  await agent.line(new RegExp(`device ${real.serial} is operational; enrolled as owner`))
  const run = runner(home.path)
  const reached = await run(['admin', 'key', 'list', '--json', '--as', 'owner', '--at', `usb:${real.serial}`])
  t.match(reached, { status: 0 }, 'the real one is found beside it')
  const table = await run(['status', '--json'])
  t.match(
    JSON.parse(table.stdout)
      .devices.map(({ address }: { address: string }) => address)
      .sort(),
    [`serial:${pair.host}`, `serial:${real.pair.host}`].sort(),
  )
  await real.processes.stop()
  const lost = await run(['status', '--as', 'owner', '--at', `serial:${pair.host}`])
  t.match(lost, { status: 1, stderr: /this is not the device that was enrolled with/ })
  t.equal(heard, '', 'not a byte of a request was sent to it')
  t.equal(await agent.stop(), 0)
})

t.test('When there is a terminal, then the agent asks for the PIN on it', async t => {
  const home = await temporaryDirectory()
  t.teardown(() => home.remove())
  const { serial, pair, processes } = await plugIn(t, home.path, 'owner')
  const run = runner(home.path)
  const invited = await run(['admin', 'agent', 'invite', 'desk', '--json', '--as', 'owner'])
  t.match(await run(['enrol', JSON.parse(invited.stdout).invitation, '--pin-fd', '3'], { secret: PIN }), {
    status: 0,
  })
  t.match(await run(['lock', '--as', 'owner']), { status: 0 })
  const [node, args] = bareNode(
    join(import.meta.dirname, '../../host-agent/cli/main.ts'),
    'agent',
    '--port',
    pair.host,
  )
  // script gives the agent a terminal of its own
  const typist = spawn('script', ['-qec', [node, ...args].map(arg => `'${arg}'`).join(' '), '/dev/null'], {
    env: { ...process.env, CLAVIGER_HOME: home.path },
  })
  t.teardown(() => typist.kill('SIGKILL'))
  let screen = ''
  const says = async (pattern: RegExp) => {
    while (!pattern.test(screen)) await once(typist.stdout, 'data')
  }
  typist.stdout.on('data', chunk => {
    screen += chunk
  })
  await says(new RegExp(`PIN of desk for ${serial}: $`))
  typist.stdin.write('111111\r')
  await says(/\(desk\): .*\n?.*PIN of desk for \w+: $/s)
  typist.stdin.write(`${PIN}\r`)
  await says(/unlocked for desk; it is operational/)
  t.notMatch(screen, new RegExp(PIN), 'what is typed is not shown')

  // with the next restart somebody else unlocks it, so nobody has to type any more
  await run(['lock', '--as', 'owner'])
  await processes.stop()
  screen = ''
  const again = await startProcesses(join(pair.device, '..'), { serial: pair.device })
  t.teardown(() => again.stop())
  await says(/PIN of desk/)
  t.match(await run(['unlock', '--as', 'owner', '--secret-fd', '3'], { secret: PASSPHRASE }), { status: 0 })
  await says(/the device is operational/)
  typist.stdin.write('\x03')
  await once(typist, 'exit')
})
