/** What the link costs over the gadget, against echoes of the same bytes over the same terminals, as in the bench. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import t from 'tap'
import { loadDeviceIdentity } from '../../../appliance/gate/identity.ts'
import { openSerialLine } from '../../../host-agent/client/serial-line.ts'
import { Link } from '../../../protocol/link/link.ts'
import { start } from '../../link/ends.ts'
import { openFloorLine } from '../../link/floor-line.ts'
import { temporaryDirectory } from '../../support/appliance.ts'
import { DEVICE, gadget, HOST, hostTerminal } from './cable.ts'
import { figure, quantile, times } from './figures.ts'

const MODES = ['floor', 'raw', 'link'] as const
const ROUNDS = 2
const WARM_UP = 2 * 1024 * 1024
const TOTAL = 4 * 1024 * 1024
const CHUNK = 65_536
/**
 * Bytes under way at most, in both modes: what a session of the link may have. The host's kernel drops what comes while it
 * has no time to hand on what came before, and a bare line has nothing that would notice.
 */
const WINDOW = 262_144
const PING = 200
const PINGS = 100
/** Below it something has become much slower. */
const LEAST = 0.4

/** Sends bytes and takes as many back. */
class Reader {
  readonly #stream: Duplex
  #chunks: Buffer[] = []
  #length = 0
  #wake = () => {}

  constructor(stream: Duplex) {
    this.#stream = stream
    stream.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk)
      this.#length += chunk.length
      this.#wake()
    })
  }

  async echo(bytes: Buffer): Promise<Buffer> {
    for (let at = 0; at < bytes.length; at += CHUNK) {
      this.#stream.write(bytes.subarray(at, at + CHUNK))
      await this.#reach(Math.min(at + CHUNK, bytes.length) - WINDOW)
    }
    await this.#reach(bytes.length)
    const back = Buffer.concat(this.#chunks)
    this.#chunks = []
    this.#length = 0
    return back
  }

  /** Waits until so many bytes are back. */
  async #reach(length: number): Promise<void> {
    while (this.#length < length)
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
  }
}

const taken = (): Record<(typeof MODES)[number], number[]> => ({ floor: [], raw: [], link: [] })

/** Ms; a guest that hangs shall say where. */
const LIMIT = { timeout: 6 * 60_000 }

await t.test('bytes over the gadget', LIMIT, async t => {
  const directory = await temporaryDirectory()
  t.teardown(directory.remove)
  await loadDeviceIdentity(directory.path)
  const { code, said } = await gadget('up', '--identity', directory.path)
  t.equal(code, 0, said)
  t.teardown(() => gadget('down'))
  await hostTerminal()

  const speeds = taken()
  const waits = taken()
  for (let round = 0; round < ROUNDS; round++)
    for (const mode of MODES)
      await t.test(`When every byte is echoed (${mode}), then it comes back as it went`, async t => {
        const device = start(t, 'echo-end.ts', mode, DEVICE)
        await once(device, 'message')
        const { promise, resolve } = Promise.withResolvers<Duplex>()
        const line = (mode === 'floor' ? openFloorLine : openSerialLine)(HOST, { onPort: resolve, pause: 20 })
        t.teardown(() => line.stop())
        const port = await promise
        let stream = port
        if (mode === 'link') {
          const link = new Link({ side: 'host', helloEvery: 100 })
          link.attach(port)
          await once(link, 'hello')
          stream = link.open()
        }
        const reader = new Reader(stream)
        const bytes = randomBytes(TOTAL)
        // both ends are new processes, and an emulated processor takes its time to compile
        await reader.echo(bytes.subarray(0, WARM_UP))
        const started = performance.now()
        t.ok((await reader.echo(bytes)).equals(bytes))
        speeds[mode].push(TOTAL / 1e3 / (performance.now() - started))
        for (let i = 0; i < PINGS; i++) {
          const one = performance.now()
          await reader.echo(bytes.subarray(0, PING))
          waits[mode].push(performance.now() - one)
        }
      })
  for (const mode of MODES) {
    figure(t, `${mode}-throughput`, Math.max(...speeds[mode]), 'MB/s')
    times(t, `${mode}-echo-${PING}`, waits[mode])
  }
  // the best of each: what slows an emulated machine down does so for a round and not for a mode
  const best = Math.max(...speeds.link)
  const share = best / Math.max(...speeds.floor)
  figure(t, 'link-throughput', share, 'ratio')
  figure(t, 'link-throughput-port', best / Math.max(...speeds.raw), 'ratio')
  figure(t, 'link-echo', quantile(waits.link, 0.5) / quantile(waits.floor, 0.5), 'ratio')
  // an emulated processor makes the link's own work dear and the line's not
  t.ok(share >= LEAST, `the link carries at least ${LEAST} of what the bare line does`)
})
