/** A gate that is up before its key process. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { KeeperHome } from '../faults/keeper-process.ts'
import { temporaryDirectory } from '../support/appliance.ts'
import { bareNode } from '../support/environment.ts'

const MAIN = fileURLToPath(new URL('../../appliance/gate/main.ts', import.meta.url))
/** More than a gate takes from its connection to the keeper until it listens. */
const LONG_MS = 700

t.test(
  'When a gate has not heard whom to trust, then it answers nobody, rather than to turn them away',
  async t => {
    const directory = await temporaryDirectory()
    t.teardown(directory.remove)
    const at = (name: string) => join(directory.path, name)
    const home = await KeeperHome.provision(directory.path)
    const silent = createServer().listen(at('keeper.sock'))
    const files = ['--identity', at('identity'), '--keeper', at('keeper.sock'), '--health', at('health.sock')]
    const gate = spawn(...bareNode(MAIN, ...files, '--lan', '127.0.0.1:0'), {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.teardown(() => gate.kill('SIGKILL'))
    const said: string[] = []
    const lines = createInterface({ input: gate.stdout })
    lines.on('line', line => said.push(line))
    const [connection] = (await once(silent, 'connection')) as [Socket]
    await sleep(LONG_MS)
    t.same(said, [], 'it does not listen')
    connection.destroy()
    silent.close()
    const keeper = await home.start()
    while (said.at(-1) !== 'ready') await once(lines, 'line')
    t.match(said, [/^lan https:\/\/127\.0\.0\.1:\d+$/, 'ready'])
    await keeper.stop()
  },
)
