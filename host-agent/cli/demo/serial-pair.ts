/**
 * A serial cable without hardware: two terminals joined by `socat`, or by a few lines of Python, or, where neither is
 * installed, a UNIX socket. For the demo, the tests and the benchmark.
 *
 * What joins the terminals ends when its standard input does, and so with this process, however that dies.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:fs'
import { type FileHandle, lstat, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** What joins the two ends. */
export type PairTool = 'socat' | 'python3' | 'stream'

/** A cable; see {@link openSerialPair}. */
export interface SerialPair {
  readonly tool: PairTool
  /** Paths for `openSerialLine` on either side. */
  readonly device: string
  readonly host: string
  /** Pulls the cable: ends what joins the two terminals. */
  close(): Promise<void>
}

/** How to lay the cable. */
export interface SerialPairOptions {
  /** An existing directory for the two names. A path of at most ~80 bytes, for the UNIX socket's sake. */
  readonly dir: string
  /** Only this tool; otherwise the first that works of socat, python3, stream. */
  readonly tool?: PairTool
}

/** How long a tool may take until both ends are there, ms. */
const START_MS = 5_000

/** Only the standard input matters; see the head of this file. */
const STDIO: ['pipe', 'ignore', 'ignore'] = ['pipe', 'ignore', 'ignore']

const RELAY = `
import os, select, sys, tty
ends, names = [], sys.argv[1:3]
for name in names:
    master, slave = os.openpty()
    tty.setraw(slave)
    os.symlink(os.ttyname(slave), name)
    os.set_blocking(master, False)
    ends.append((master, slave))
a, b = ends[0][0], ends[1][0]
other, waiting = {a: b, b: a}, {a: b'', b: b''}
while True:
    reading = [f for f in (a, b) if len(waiting[other[f]]) < 65536]
    writing = [f for f in (a, b) if waiting[f]]
    readable, writable, _ = select.select([0, *reading], writing, [])
    if 0 in readable:
        break
    for f in readable:
        waiting[other[f]] += os.read(f, 65536)
    for f in writable:
        try:
            waiting[f] = waiting[f][os.write(f, waiting[f]):]
        except BlockingIOError:
            pass
`

/** socat never looks at its standard input, so a subshell does. `$1` and `$2` are its addresses. */
const WATCHED_SOCAT = `
exec 3<&0
socat -d -d "$1" "$2" 3<&- &
pair=$!
{ read -r _; kill -9 $pair; } <&3 &
watch=$!
wait $pair
code=$?
kill $watch
exit $code
`

/**
 * Lays a cable between `device` and `host`.
 *
 * @throws Error when the tool that was asked for is not installed or does not start
 */
export async function openSerialPair(options: SerialPairOptions): Promise<SerialPair> {
  const tools: readonly PairTool[] = options.tool ? [options.tool] : ['socat', 'python3', 'stream']
  let failure: unknown
  for (const tool of tools) {
    try {
      return await lay(tool, options.dir)
    } catch (error) {
      failure = error
    }
  }
  throw new Error('there is no tool for a serial pair', { cause: failure })
}

async function lay(tool: PairTool, dir: string): Promise<SerialPair> {
  if (tool === 'stream') {
    const path = join(dir, 'line.sock')
    return { tool, device: `unix:${path}`, host: `unix:${path}`, close: () => rm(path, { force: true }) }
  }
  const device = join(dir, 'device')
  const host = join(dir, 'host')
  await Promise.all([rm(device, { force: true }), rm(host, { force: true })])
  const end = (path: string) => `pty,raw,echo=0,link=${path}`
  const child =
    tool === 'socat'
      ? spawn('sh', ['-c', WATCHED_SOCAT, 'sh', end(device), end(host)], { stdio: STDIO })
      : spawn('python3', ['-c', RELAY, device, host], { stdio: STDIO })
  child.stdin.on('error', () => {})
  const paths = [device, host]
  const held: FileHandle[] = []
  const close = async () => {
    // the names first: the kernel gives the number of a terminal that is gone to the next one, of whoever
    await Promise.all(paths.map(path => rm(path, { force: true })))
    await stopped(child)
    await Promise.all(held.map(each => each.close()))
  }
  try {
    await started(child, paths)
    // a terminal that nobody has open reports a hang-up, at which socat ends: a cable does not do that
    for (const path of paths)
      held.push(await open(path, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK))
  } catch (error) {
    await close()
    throw error
  }
  child.unref()
  return { tool, device, host, close }
}

async function started(child: ChildProcess, paths: readonly string[]): Promise<void> {
  let ended: Error | null = null
  child.once('error', error => {
    ended = error
  })
  child.once('exit', code => {
    ended ??= new Error(`the serial pair ended with ${code}`)
  })
  for (let waited = 0; waited < START_MS; waited += 20) {
    await sleep(20)
    if (ended) throw ended
    const found = await Promise.all(paths.map(path => lstat(path).catch(() => null)))
    if (found.every(Boolean)) return
  }
  throw new Error('the serial pair does not start')
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  child.ref()
  const exit = once(child, 'exit')
  child.stdin?.destroy()
  await exit
}
