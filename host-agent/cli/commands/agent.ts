/** `claviger agent`: holds the dongles of this user until it is told to end. */
import { formatUsbIds, parseUsbIds, type UsbIds } from '../../../protocol/link/usb-identity.ts'
import { HostAgent } from '../../agent/agent.ts'
import { watchUsb } from '../../agent/hotplug.ts'
import type { PageOptions, ServedPage } from '../../agent/page/page.ts'
import { serveTunnel } from '../../agent/tunnel-server.ts'
import type { FoundDevice } from '../../client/announcement.ts'
import { ConnectionError } from '../../client/errors.ts'
import { profileDirectory } from '../../client/profile.ts'
import { readSettings } from '../../client/settings.ts'
import { agentSocket } from '../../client/tunnel.ts'
import { type Command, readArguments, type Surroundings, UsageError } from '../command.ts'
import { keepHeapSmall } from '../shop/small-heap.ts'

export const command: Command = {
  summary: 'hold the dongles of this user, unlock them, and let several programs share them',
  usage: `claviger agent [--usb VVVV:PPPP]… [--port PATH]… [--never-ask] [--no-page]

  --usb VVVV:PPPP  USB vendor and product of a dongle, if not what settings.json or the default says
  --port PATH      watch this port as well, such as /dev/ttyS0
  --never-ask      ask for no PIN on this terminal; unlock with: claviger unlock
  --no-page        serve no page to browsers of this user

Runs until it is ended. With the systemd unit that comes with claviger it starts with the session.
`,

  async run(args, surroundings) {
    const { options } = readArguments(
      args,
      {
        usb: { type: 'string', multiple: true },
        port: { type: 'string', multiple: true },
        'never-ask': { type: 'boolean' },
        'no-page': { type: 'boolean' },
      },
      [],
    )
    keepHeapSmall()
    const { terminal, env } = surroundings
    const directory = profileDirectory(env)
    const settings = await readSettings(directory)
    const fingerprints = options.usb?.map(readIds) ?? settings.usb
    const ports = [...settings.ports, ...(options.port ?? [])]
    const socket = agentSocket(env)
    const asks = terminal.canAsk && !options['never-ask']

    let agent: HostAgent | undefined
    let page: Promise<ServedPage | ConnectionError> | undefined
    const tunnel = await serveTunnel(socket, {
      list: async () => agent?.list() ?? [],
      open: destination => agent!.open(destination),
      page: async () => {
        const served = (await page) ?? new ConnectionError('unreachable', 'the agent has just started')
        if (served instanceof ConnectionError) throw served
        return served.invite()
      },
      age: async machine => {
        const { isMachine, runMachine } = await import('../../plugins/age/machines.ts')
        if (!isMachine(machine))
          throw new ConnectionError('bad-response', `there is no state machine ${machine} here`)
        return program => runMachine(machine, program, bytes => program.write(bytes))
      },
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
    const tell = (line: string) => terminal.print(line)
    page = options['no-page']
      ? Promise.resolve(
          new ConnectionError('unreachable', 'the agent was started without its page', NO_PAGE_HINT),
        )
      : serve({ directory, holder: agent, env, port: settings.page.port, tell })
    await untilEnded()
    const served = await page
    await Promise.all([tunnel.close(), served instanceof ConnectionError ? null : served.stop()])
    await agent.stop()
    return 0
  },
}

const NO_PAGE_HINT = { hint: 'start it without --no-page' }

/** Serves the page, or says why not: the agent goes on without it. */
async function serve(options: PageOptions): Promise<ServedPage | ConnectionError> {
  const { servePage } = await import('../../agent/page/page.ts')
  try {
    const page = await servePage(options)
    options.tell(`the page of this user is at ${page.origin}; let a browser in with: claviger page`)
    return page
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error
    options.tell(`${error.message}; ${error.hint}; the agent goes on without its page`)
    return error
  }
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
