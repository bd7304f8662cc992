/** The cable between gadget and host, both in this kernel: laid by the set-up step, pulled and plugged by the controller. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { bareNode } from '../../support/environment.ts'

/** The device's end, and the host's. */
export const DEVICE = '/dev/ttyGS0'
export const HOST = '/dev/ttyACM0'
const GADGET = '/sys/kernel/config/usb_gadget/claviger'
const CONTROLLERS = '/sys/class/udc'
const MAIN = fileURLToPath(new URL('../../../appliance/gadget/main.ts', import.meta.url))
const LOOK_EVERY = 2

/** What a program printed, and how it ended. */
export interface Ended {
  code: number | null
  said: string
}

/** Runs a program to its end, while this process goes on. */
export async function run(command: string, args: readonly string[]): Promise<Ended> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  return { code, said: out + err }
}

/** Runs the set-up step of the device. */
export function gadget(...args: string[]): Promise<Ended> {
  return run(...bareNode(MAIN, ...args))
}

/** Pulls the cable. */
export function unplug(): void {
  writeFileSync(`${GADGET}/UDC`, '\n')
}

/** Plugs it in again. */
export function plug(): void {
  writeFileSync(`${GADGET}/UDC`, controller())
}

export function controller(): string {
  return readdirSync(CONTROLLERS)[0]!
}

/** Resolves when the host's terminal is there, or gone. */
export async function hostTerminal(there = true): Promise<void> {
  while (existsSync(HOST) !== there) await sleep(LOOK_EVERY)
}

/** An attribute of the gadget. */
export function attribute(path: string): string {
  return readFileSync(`${GADGET}/${path}`, 'utf8').trim()
}
