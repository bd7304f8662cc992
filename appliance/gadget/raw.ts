/**
 * Makes the gadget's terminal raw. A terminal keeps its settings when it is closed and when the cable is pulled, so that
 * the gate, which loads no native module for it, finds it as it was left here.
 */
import { read } from 'node:fs'
import { promisify } from 'node:util'
import { openSerialPort } from '../../protocol/link/serial-port.ts'

/** @throws the error of the operating system when it cannot be opened */
export async function makeRaw(terminal: string): Promise<void> {
  const { SerialPort } = await import('serialport')
  // opening does it: no echo, no lines, no signals, no translation, eight bits
  const port = await openSerialPort({ SerialPort, read: promisify(read) }, terminal)
  await port.close()
}
