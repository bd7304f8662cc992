/** `claviger demo`: the main job, end to end, on this machine, for somebody who has never seen it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectProfile } from '../../client/connect.ts'
import { fileWitness } from '../../client/witness-file.ts'
import { type Command, readArguments } from '../command.ts'
import { type DemoDevice, startDevice } from '../demo/device.ts'
import { Shop } from '../demo/shop.ts'
import { showShop } from '../demo/show-shop.ts'
import {
  askForAnotherPurpose,
  enrolWorkstation,
  flashCard,
  KEY,
  killTheGate,
  knockAsStranger,
  openColumn,
  openSwappedRow,
  type Stage,
  stolenRows,
  takeOwnership,
  verifyTheLog,
} from '../demo/story.ts'
import { Teller } from '../demo/teller.ts'

export const command: Command = {
  summary: 'the whole story on this machine, in a few seconds',
  usage: `claviger demo [--keep] [--json]
       claviger demo --shop

  --keep  leave the appliance running until Ctrl-C, and say what to try
  --json  one JSON document instead of the story
  --shop  a day in an example shop, to click through: its site, its orders, the staff's page; until Ctrl-C
`,

  async run(args, { terminal }) {
    const flag = { type: 'boolean' } as const
    const { options } = readArguments(args, { keep: flag, json: flag, shop: flag }, [])
    if (options.shop) return showShop(terminal)
    const tell = new Teller(options.json ? null : line => terminal.print(line))
    const directory = await mkdtemp(join(tmpdir(), 'claviger-'))
    const stage: Stage = { data: join(directory, 'device'), home: join(directory, 'home') }
    const stopped = new Promise<void>(resolve => {
      // a terminal's Ctrl-C comes twice: from it, and from the program that started this one
      process.on('SIGINT', resolve)
      process.on('SIGTERM', resolve)
    })
    let device: DemoDevice | undefined
    const story = async () => {
      const card = await flashCard(stage)
      const starting = performance.now()
      device = await startDevice(stage.data)
      return perform(stage, device, card, performance.now() - starting, tell)
    }
    try {
      const report = await Promise.race([story(), stopped.then(() => null)])
      if (report === null) return 130
      if (options.json) terminal.printJson(report)
      if (options.keep) {
        tell.toTry(stage.home, directory)
        await stopped
      } else tell.next()
      return 0
    } finally {
      await device?.stop()
      await rm(directory, { recursive: true, force: true })
    }
  },
}

/** What `--json` prints. */
interface Report {
  wires: { serial: { opened: number; tool: string }; lan: { opened: number } }
  refused: { stranger: string; swapped: string }
  /** Fields that PHP sealed and the appliance opened; `null` where there is no PHP. */
  php: number | null
  seconds: number
}

async function perform(
  stage: Stage,
  device: DemoDevice,
  card: Awaited<ReturnType<typeof flashCard>>,
  startMs: number,
  tell: Teller,
): Promise<Report> {
  const started = performance.now() - startMs
  tell.device(startMs, device)
  const { owner, publicKey } = await takeOwnership(stage, device, card)
  tell.owner(KEY, publicKey)
  const office = await enrolWorkstation(stage, owner, 'office', device.serial)
  const till = await enrolWorkstation(stage, owner, 'till', device.lan)
  tell.workstations()

  const shop = new Shop(join(stage.home, 'shop.db'), publicKey)
  const rows = shop.customers()
  tell.shop(rows.length, shop.sealedByPhp)
  tell.thief(stolenRows(shop))
  shop.close()

  const overSerial = await connectProfile(office, { witness: fileWitness(stage.home, office.name) })
  const overLan = await connectProfile(till, { witness: fileWitness(stage.home, till.name) })
  try {
    const labels = await openColumn(overSerial, rows, 'address', 'ship')
    tell.labels(labels.values, labels.ms)
    const cards = await openColumn(overLan, rows, 'card', 'charge')
    tell.cards(cards.values, cards.ms)
    const stranger = await knockAsStranger(till)
    const swapped = await openSwappedRow(overLan, rows)
    const purpose = await askForAnotherPurpose(overLan, rows)
    tell.refused(stranger, swapped, purpose)
    const { answered, ms } = await killTheGate(device, overLan, rows)
    tell.killed(answered, ms)
    tell.log(await verifyTheLog(stage, owner))
    const seconds = Math.round(performance.now() - started) / 1000
    tell.end(seconds)
    return {
      wires: {
        serial: { opened: labels.values.length, tool: device.tool },
        lan: { opened: cards.values.length },
      },
      refused: { stranger, swapped },
      php: shop.sealedByPhp,
      seconds,
    }
  } finally {
    await overSerial.close()
    await overLan.close()
  }
}
