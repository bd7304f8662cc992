/**
 * The far end of a serial pair, in a process of its own: `node echo-end.ts floor|raw|link <path>`. Echoes bytes, through the
 * line that is the floor or through ours, or every session of a link. Sends `ready` to its parent once the port is open.
 */

import { isGadgetTerminal } from '../../appliance/gate/gadget-terminal.ts'
import { openSerialLine } from '../../appliance/gate/serial-line.ts'
import { Link } from '../../protocol/link/link.ts'
import { openFloorLine } from './floor-line.ts'

const [, , mode, path] = process.argv
if (path === undefined) throw new Error('usage: echo-end.ts floor|raw|link <path>')
const link = new Link({ side: 'device', hello: { deviceId: 'echo', state: 'locked' } })
link.on('session', session => session.pipe(session))
const open = mode === 'floor' && !isGadgetTerminal(path) ? openFloorLine : openSerialLine
open(path, {
  onPort(port) {
    if (mode === 'link') link.attach(port)
    // always reads, as a link does: two ends that both wait to write would wait for ever
    else port.on('data', chunk => port.write(chunk))
    process.send?.('ready')
  },
  pause: 20,
})
process.on('disconnect', () => process.exit())
