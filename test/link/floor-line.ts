/**
 * The line that the link is measured against: raw bytes through serialport's own stream, as a program without a link would
 * write them. It does not get faster with our ports, which on Linux move bytes another way (`protocol/link/terminal.ts`).
 */
import { read } from 'node:fs'
import { promisify } from 'node:util'
import { SerialPort } from 'serialport'
import { keepOpen, type LineOptions, type SerialLine } from '../../protocol/link/line.ts'
import { openSerialPort } from '../../protocol/link/serial-port.ts'

/** Opens the terminal at `path` with serialport alone. */
export function openFloorLine(path: string, options: Omit<LineOptions, 'open'>): SerialLine {
  return keepOpen({ ...options, open: () => openSerialPort({ SerialPort, read: promisify(read) }, path) })
}
