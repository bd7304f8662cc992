/** Another program writes into the host's terminal what ModemManager writes into every new one. */
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { HOST } from './cable.ts'
import { site } from './site.ts'
import { Work } from './work.ts'

const PROBES = [
  'AT\r',
  'ATE0\r',
  'AT+GCAP\r',
  'ATI\r',
  'AT+CPIN?\r',
  '~x\xf0~',
  '\0\0\x7e\x00\x78\xf0\x7e',
  '\r\n\r\n',
]
const ROUNDS = 60

/** Ms; a guest that hangs shall say where. */
const LIMIT = { timeout: 4 * 60_000 }

await t.test(
  'When probes for modems are written into the line under work, then no answer is wrong',
  LIMIT,
  async t => {
    const here = await site()
    const before = (await here.admin.health()).link?.noiseBytes ?? 0
    const work = new Work(here, 'noise')
    const port = await open(HOST, constants.O_WRONLY | constants.O_NOCTTY | constants.O_NONBLOCK)
    let written = 0
    for (let round = 0; round < ROUNDS; round++) {
      const probe = Buffer.from(PROBES[round % PROBES.length]!, 'latin1')
      // a full line takes nothing at the moment
      written += await port.write(probe).then(
        ({ bytesWritten }) => bytesWritten,
        () => 0,
      )
      await sleep(50)
    }
    await port.close()
    await work.stop(t)
    t.ok(written > 0)
    const after = (await here.admin.health()).link?.noiseBytes ?? 0
    t.ok(after > before, 'and the device has counted the noise')
  },
)
