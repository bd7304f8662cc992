/**
 * A host in a process of its own: `node host-end.ts <path>`. Keeps sessions busy both ways with an echoing device, until
 * it is killed. Sends `busy` to its parent once bytes flow.
 */

import { openSerialLine } from '../../host-agent/client/serial-line.ts'
import { Link } from '../../protocol/link/link.ts'

const [, , path] = process.argv
if (path === undefined) throw new Error('usage: host-end.ts <path>')
const link = new Link({ side: 'host', helloEvery: 100 })
link.once('hello', () => {
  for (let i = 0; i < 4; i++) {
    const session = link.open()
    const feed = () => {
      while (session.write(Buffer.alloc(50_000, i)));
    }
    session.on('drain', feed)
    session.on('data', () => process.send?.('busy'))
    feed()
  }
})
openSerialLine(path, { onPort: port => link.attach(port), pause: 20 })
process.on('disconnect', () => process.exit())
