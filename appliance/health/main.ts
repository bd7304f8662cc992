/** The health process: a snapshot now and every ten seconds, to whoever reads the feed. */
import { parseArgs } from 'node:util'
import { SnapshotFeed } from './feed.ts'
import { takeSnapshot } from './snapshot.ts'

const { values } = parseArgs({ options: { socket: { type: 'string' }, data: { type: 'string' } } })
if (!values.socket || !values.data) {
  process.stderr.write('claviger-health: --socket and --data are needed\n')
  process.exit(2)
}

const PERIOD_MS = 10_000
const { data } = values
const feed = new SnapshotFeed()
await feed.listen(values.socket)
process.stdout.write('ready\n')

async function look(): Promise<void> {
  try {
    feed.publish(await takeSnapshot(data!, Date.now))
  } catch (error) {
    process.stderr.write(`claviger-health: ${(error as Error).message}\n`)
  }
}

await look()
setInterval(look, PERIOD_MS)
