/** A device whose address has changed, found again by what it announces, and proved by its key. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { writeProfile } from '../../host-agent/client/profile.ts'
import { fromBase64url } from '../../protocol/bytes.ts'
import { deviceSerial } from '../../protocol/identity/device-serial.ts'
import { temporaryDirectory } from '../support/appliance.ts'
import { bareNode } from '../support/environment.ts'
import { APPLIANCE, needNamespaces, PORT } from './namespaces.ts'
import { operate } from './operating.ts'

const MAIN = join(import.meta.dirname, '../../host-agent/cli/main.ts')
const THERE = `https://${APPLIANCE}:${PORT}`
/** Where the device was when the till enrolled; nobody is there now. */
const BEFORE = 'https://192.168.77.99:8443'

t.setTimeout(120_000)
t.test('When the device announces itself, then who browses finds it, and nobody else does', async t => {
  if (!needNamespaces(t)) return
  const house = await operate(t, 'found', { interfaces: [{ name: 'eth0' }], announce: true })
  const home = await temporaryDirectory()
  t.teardown(() => home.remove())
  const serial = deviceSerial(fromBase64url(house.till.device)!)
  await writeProfile(home.path, { ...house.till, addresses: [BEFORE] })
  const browse = (isWanted: boolean) =>
    writeFile(join(home.path, 'settings.json'), JSON.stringify({ browse: isWanted }))
  const claviger = (...args: string[]) => {
    const [command, rest] = bareNode(MAIN, ...args)
    return house.shop.spawn('till', 'env', [`CLAVIGER_HOME=${home.path}`, command, ...rest])
  }
  const status = async () => JSON.parse(await text(claviger('status', '--json').stdout!))

  await browse(false)
  t.match(await status(), { enrolments: [{ state: 'unreachable' }], devices: [] })

  await browse(true)
  t.match(await status(), {
    enrolments: [{ address: THERE, state: 'operational' }],
    devices: [{ serial, address: THERE, state: 'announced' }],
  })

  const agent = claviger('agent')
  let said = ''
  for await (const chunk of agent.stdout!) {
    said += chunk
    if (said.includes(`${THERE}: a device announces itself as ${serial}\n`)) break
  }
  t.match(await status(), { devices: [{ serial, address: THERE, state: 'announced' }] }, 'through the agent')
  agent.kill()
})
