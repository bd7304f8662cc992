/**
 * Programs that show when a line holds its process: `node life-end.ts <what> <path>`. Each ends by itself if the line lets
 * it, and prints what it came to.
 */

import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { openSerialLine as openDeviceLine } from '../../appliance/gate/serial-line.ts'
import { openSerialPair } from '../../host-agent/cli/demo/serial-pair.ts'
import { openSerialLine } from '../../host-agent/client/serial-line.ts'
import { openWire } from '../../host-agent/client/wire.ts'
import { Link } from '../../protocol/link/link.ts'

const [, , what = '', path = ''] = process.argv
const say = (word: string) => process.stdout.write(`${word}\n`)

/** What is loaded of serialport: modules, and the native part as the system's loader knows it. */
function loaded(): string {
  const modules = Object.keys(createRequire(import.meta.url).cache)
  const { sharedObjects } = process.report.getReport() as unknown as { sharedObjects: string[] }
  const of = (names: string[]) => names.filter(name => name.includes('serialport')).length > 0
  return JSON.stringify({ modules: of(modules), native: of(sharedObjects) })
}

/** A host link over `path` whose session has more to write than anybody reads. */
async function stuffedLine() {
  const link = new Link({ side: 'host' })
  const { promise, resolve } = Promise.withResolvers<void>()
  const line = openSerialLine(path, {
    onPort(port) {
      link.attach(port)
      // nobody reads the other end: its buffers fill, and the rest waits here
      port.write(Buffer.alloc(1_048_576, 1))
      resolve()
    },
  })
  await promise
  return { link, line }
}

const programs: Record<string, () => unknown> = {
  'loads over LAN': async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise(resolve => server.once('listening', resolve))
    const wire = await openWire(`https://127.0.0.1:${(server.address() as { port: number }).port}`)
    const stream = await wire.open()
    say(loaded())
    stream.destroy()
    await wire.close()
    server.close()
  },
  'loads over a socket': async () => {
    const device = openDeviceLine(`unix:${path}`, { onPort: () => {} })
    const wire = await openWire(`serial:unix:${path}`)
    // nobody greets
    await wire.open().catch(error => say(error.code))
    say(loaded())
    await wire.close()
    await device.stop()
  },
  'loads over a terminal': async () => {
    const line = openSerialLine(path, { onPort: () => {}, reopen: false })
    if (await line.closed) say(loaded())
  },
  'a device without a cable': () => {
    let tries = 0
    const line = openDeviceLine(path, {
      onPort: () => {},
      onFailure: async () => {
        if (++tries < 3) return
        void line.stop().then(() => say('stopped'))
      },
      pause: 20,
    })
  },
  'a host without a cable': () => {
    openSerialLine(path, { onPort: () => {}, onFailure: () => say('failed') })
  },
  'an open line': async () => {
    const { line } = await stuffedLine()
    void line.closed.then(() => say('closed'))
    // if the line did not hold the process, this would never be sent
    setTimeout(() => process.send?.('open'), 200).unref()
  },
  'a line that is stopped': async () => {
    const { link, line } = await stuffedLine()
    const session = link.open()
    session.write(Buffer.alloc(100_000))
    link.detach()
    await line.stop()
    say('stopped')
  },
  'an exit': async () => {
    const { link } = await stuffedLine()
    link.open().write(Buffer.alloc(100_000))
    process.on('exit', () => say('exit'))
    process.exit(7)
  },
  'a pair': async () => {
    const tool = process.argv[4] as 'socat' | 'python3'
    await openSerialPair({ dir: path, tool })
    process.send?.('open')
    process.on('disconnect', () => process.exit())
  },
}

await programs[what]!()
// the channel to the parent is no reason to stay, but for those who wait for their death
if (what !== 'a pair') process.channel?.unref()
