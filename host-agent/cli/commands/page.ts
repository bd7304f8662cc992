/** `claviger page`: lets a browser of this user in to the page of the running agent. */
import { spawn } from 'node:child_process'
import { ConnectionError } from '../../client/errors.ts'
import { agentSocket, pageOfAgent } from '../../client/tunnel.ts'
import { type Command, readArguments } from '../command.ts'

export const command: Command = {
  summary: "open the agent's page in a browser: reveal, look up, print labels, unlock",
  usage: `claviger page [--print] [--json]

  --print  only print the address

The address lets one browser in, once, within two minutes; it keeps what lets it in again. Needs a running claviger agent.
`,

  async run(args, { terminal, env }) {
    const { options } = readArguments(args, { print: { type: 'boolean' }, json: { type: 'boolean' } }, [])
    const url = await pageOfAgent(agentSocket(env))
    if (url === null)
      throw new ConnectionError('unreachable', 'no claviger agent of this user runs', {
        hint: 'start it: claviger agent',
      })
    if (options.json) {
      terminal.printJson({ url })
      return 0
    }
    terminal.print(url)
    if (options.print || !hasDisplay(env)) return 0
    if (!(await openInBrowser(url)))
      terminal.hint('no browser could be opened: open the address yourself, within two minutes')
    return 0
  },
}

/**
 * Where a browser is opened by itself. Who looks at the list of processes sees the code: on Linux it is of no use to other users, since
 * the agent answers its own user alone; elsewhere nobody checks that, so there it is only printed.
 */
function hasDisplay({ DISPLAY, WAYLAND_DISPLAY }: NodeJS.ProcessEnv): boolean {
  return process.platform === 'linux' && Boolean(DISPLAY || WAYLAND_DISPLAY)
}

/** @returns whether a browser took it */
function openInBrowser(url: string): Promise<boolean> {
  return new Promise(resolve => {
    const opener = spawn('xdg-open', [url], { stdio: 'ignore', detached: true })
    opener.once('error', () => resolve(false))
    opener.once('exit', code => resolve(code === 0))
    opener.unref()
    // some browsers keep the opener for as long as they run
    setTimeout(() => resolve(true), OPENING_MS).unref()
  })
}

const OPENING_MS = 3000
