/** A process that writes more into a terminal than anybody takes: `node stalled-end.ts PATH BYTES`. */
import { setTimeout as sleep } from 'node:timers/promises'
import { openTerminal } from '../../../appliance/gate/gadget-terminal.ts'

const [, , path, total] = process.argv
const { stream, close } = await openTerminal(path!)
stream.write(Buffer.alloc(Number(total), 7))
// until all buffers on the way are full
await sleep(1_000)
process.send?.('stalled')
process.once('SIGTERM', async () => {
  await close()
  process.exit(0)
})
