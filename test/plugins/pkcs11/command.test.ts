/** `claviger pkcs11` as its user starts it, with a device behind it in processes of its own. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import { writeProfile } from '../../../host-agent/client/profile.ts'
import { frame } from '../../../host-agent/plugins/pkcs11/wire/frames.ts'
import { contextInfo } from '../../../protocol/envelope/context.ts'
import { runner, starter } from '../../cli/run.ts'
import { flashCard, PIN, startProcesses, temporaryDirectory } from '../../support/appliance.ts'
import { ay, HANDSHAKE, readAnswer, readNumbers, request, room, y } from './requests.ts'

t.setTimeout(120_000)

const directory = await temporaryDirectory()
const card = await flashCard(directory.path, '')
const processes = await startProcesses(directory.path)
t.teardown(async () => {
  await processes.appliance.close()
  await processes.stop()
  await directory.remove()
})
const { appliance } = processes
await appliance.provision(card)
const admin = await appliance.connect(appliance.admin)
await admin.createKey('orders')
const home = join(directory.path, 'home')
await writeProfile(home, await appliance.enrol('desk', 'operator', ['orders'], PIN))

t.test(
  'When it is started, then it prints where it listens, answers there, and ends when it is told',
  async t => {
    const child = starter(home)(['pkcs11'])
    const ended = once(child, 'close')
    t.teardown(() => child.kill('SIGKILL'))
    const [line] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string]
    const path = /^export P11_KIT_SERVER_ADDRESS=unix:path=(.*)$/.exec(line)?.[1] ?? ''
    t.equal(path, join(home, 'pkcs11.sock'), 'beside the socket of the agent')
    const socket = connect(path)
    const heard = async () => ((await once(socket, 'data')) as [Buffer])[0]
    socket.write(Uint8Array.of(1))
    t.same([...(await heard())], [1])
    socket.write(frame(1, request('initialize', ay(HANDSHAKE), y(0), ay('\0'))))
    t.equal(readAnswer((await heard()).subarray(12)).rv, 0)
    socket.write(frame(2, request('getSlotList', y(1), room(8))))
    const answer = readAnswer((await heard()).subarray(12))
    t.equal(
      'results' in answer && (readNumbers(answer.results) as number[]).length,
      4,
      'a token for each purpose',
    )
    child.kill('SIGTERM')
    t.equal((await ended)[0], 0)
  },
)

t.test('When a label is asked for, then it is the context of that place', async t => {
  const run = runner(home)
  const { stdout } = await run(['pkcs11', 'label', 'orders-rsa', 'card.number', 'cust_cards/42'])
  const place = { namespace: 'default', key: 'orders-rsa', field: 'card.number', record: 'cust_cards/42' }
  t.equal(stdout, `${Buffer.from(contextInfo(place)).toString('hex')}\n`)
  t.match(await run(['pkcs11', 'label', 'orders-rsa', 'Card']), {
    status: 2,
    stderr: /KEY and FIELD are names/,
  })
  t.match(await run(['pkcs11', '--purpose', 'Ship!']), { status: 2, stderr: /Ship! cannot be a name/ })
})
