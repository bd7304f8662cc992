/** `claviger agent`: holds the dongles of this user until it is told to end. */
import { formatUsbIds, parseUsbIds, type UsbIds } from '../../../protocol/link/usb-identity.ts'
import { HostAgent } from '../../agent/agent.ts'
import { watchUsb } from '../../agent/hotplug.ts'
import { serveTunnel } from '../../agent/tunnel-server.ts'
import type { FoundDevice } from '../../client/announcement.ts'
import { profileDirectory } from '../../client/profile.ts'
import { readSettings } from '../../client/settings.ts'
import { agentSocket } from '../../client/tunnel.ts'
import { type Command, readArguments, type Surroundings, UsageError } from '../command.ts'

export const command: Command = {
  summary: 'hold the dongles of this user, unlock them, and let several programs share them',
  usage: `claviger agent [--usb VVVV:PPPP]… [--port PATH]… [--never-ask]

  --usb VVVV:PPPP  USB vendor and product of a dongle, if not what settings.json or the default says
  --port PATH      watch this port as well, such as /dev/ttyS0
  --never-ask      ask for no PIN on this terminal; unlock with: claviger unlock

Runs until it is ended. With the systemd unit that comes with claviger it starts with the session.
`,

  async run(args, surroundings) {
    const { options } = readArguments(
      args,
      {
        usb: { type: 'string', multiple: true },
        port: { type: 'string', multiple: true },
        'never-ask': { type: 'boolean' },
      },
      [],
    )
    const { terminal, env } = surroundings
    const directory = profileDirectory(env)
    const settings = await readSettings(directory)
    const fingerprints = options.usb?.map(readIds) ?? settings.usb
    const ports = [...settings.ports, ...(options.port ?? [])]
    const socket = agentSocket(env)
    const asks = terminal.canAsk && !options['never-ask']

    let agent: HostAgent | undefined
    const tunnel = await serveTunnel(socket, {
      list: async () => agent?.list() ?? [],
      open: destination => agent!.open(destination),
    })
    terminal.print(`programs of this user reach the dongles through ${socket}`)
    agent = new HostAgent({
      directory,
      ports,
      watch: onChange => watchUsb({ fingerprints, onChange }),
      ...(settings.browse ? { browse: browseUntil } : {}),
      tell: line => terminal.print(line),
      ...(asks ? { askPin: askOn(surroundings) } : {}),
    })
    terminal.print(`watching USB for ${fingerprints.map(formatUsbIds).join(', ')}`)
    await untilEnded()
    await Promise.all([tunnel.close(), agent.stop()])
    return 0
  },
}

function readIds(text: string): UsbIds {
  const ids = parseUsbIds(text)
  if (ids) return ids
  throw new UsageError(`${text} is not a USB vendor and product`, 'write four digits each, as in 1209:0001')
}

async function browseUntil(onFound: (device: FoundDevice) => void, signal: AbortSignal): Promise<unknown> {
  const { browse } = await import('../../client/discovery.ts')
  return browse({ onFound, signal })
}

function askOn({ terminal }: Surroundings) {
  return async (prompt: string, signal: AbortSignal): Promise<string | null> => {
    try {
      return await terminal.secret(prompt, '', undefined, signal)
    } catch (error) {
      // who presses Ctrl-C at the question wants the agent to end
      if (error instanceof UsageError && !signal.aborted) process.kill(process.pid, 'SIGINT')
      return null
    }
  }
}

function untilEnded(): Promise<void> {
  return new Promise(resolve => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve())
  })
}
