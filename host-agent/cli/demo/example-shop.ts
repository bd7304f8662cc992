/** A day in a shop: the example site of docs/examples/shop, a device on a cable, and the agent with its page, all on this machine. */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { toJavaScript } from '../../agent/page/files.ts'
import { connectProfile } from '../../client/connect.ts'
import type { Profile } from '../../client/profile.ts'
import { SETTINGS_FILE } from '../../client/settings.ts'
import { agentSocket, pageOfAgent } from '../../client/tunnel.ts'
import { type DemoDevice, startDevice } from './device.ts'
import { type Program, startProgram } from './program.ts'
import { enrolWorkstation, flashCard, type Stage, takeOwnership } from './story.ts'

/** Everything that runs for {@link openExampleShop}. */
export interface ExampleShop {
  /** `http://shop.localhost:PORT`: another site than the agent's, as a shop is, and a name that browsers look up on this machine alone. */
  readonly shop: string
  /** `http://127.0.0.1:PORT` */
  readonly agent: string
  /** `CLAVIGER_HOME` of the agent. */
  readonly home: string
  /** Folder of the site, with `shop.db`. */
  readonly site: string
  readonly device: DemoDevice
  readonly owner: Profile
  readonly publicKey: string
  /** The address that lets one browser in to the staff's page. */
  invite(): Promise<string>
  /** Pid of the agent. */
  pid(): number
  stopAgent(): Promise<void>
  startAgent(): Promise<void>
  stop(): Promise<void>
}

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const SITE = here('../../../docs/examples/shop/')
const FIELD = here('../../field/claviger-field.ts')
const SEALER = here('../../seal/claviger_seal.php')
const MAIN = here('../main.ts')

const START_MS = 20_000

/** Password of the shop's own page of orders. */
export const STAFF_PASSWORD = 'two leaves and a bud'

/** @returns why there is no example here, or `null` */
export function exampleFault(): string | null {
  if (!existsSync(SITE)) return 'the example shop is in the sources of Claviger only'
  const test = 'exit(extension_loaded("pdo_sqlite") && extension_loaded("sodium") ? 0 : 1);'
  if (spawnSync('php', ['-r', test]).status === 0) return null
  return 'the example shop needs php with pdo_sqlite and sodium: on Debian, apt install php-cli php-sqlite3'
}

/**
 * Starts all of it, with an operator “desk” on the cable and the owner, and `orders` made-up orders. The device is locked in the end.
 *
 * @param stage - two folders of a temporary one
 * @throws Error where a part does not start; what had started was ended
 */
export async function openExampleShop(stage: Stage, { orders }: { orders: number }): Promise<ExampleShop> {
  const started: { stop(): Promise<void> }[] = []
  const stop = async () => {
    for (const part of started.splice(0).reverse()) await part.stop()
  }
  try {
    const card = await flashCard(stage)
    const device = await startDevice(stage.data)
    started.push(device)
    const { owner, publicKey } = await takeOwnership(stage, device, card)
    await enrolWorkstation(stage, owner, 'desk', device.serial)

    const [sitePort, agentPort] = await freePorts()
    const shop = `http://shop.localhost:${sitePort}`
    const agent = `http://127.0.0.1:${agentPort}`
    const site = join(stage.home, 'shop')
    await layOut(site, { publicKey, agent })
    runPhp([join(site, 'seed.php'), String(orders)])
    const settings = { page: { port: agentPort, shops: [shop], mapping: join(site, 'shop.json') } }
    await writeFile(join(stage.home, SETTINGS_FILE), JSON.stringify(settings), { mode: 0o600 })
    const sessions = ['-d', `session.save_path=${stage.home}`]
    const web = [...sessions, '-S', `127.0.0.1:${sitePort}`, '-t', join(site, 'public')]
    started.push(
      await startProgram('php', web, {
        name: 'php',
        ready: /Development Server .* started/,
        within: START_MS,
      }),
    )
    const env = { ...process.env, CLAVIGER_HOME: stage.home }
    const startAgent = () =>
      startProgram(process.execPath, [MAIN, 'agent', '--port', device.port, '--never-ask'], {
        name: 'the agent',
        ready: /the page of this user is at/,
        within: START_MS,
        env,
      })
    let program: Program | null = await startAgent()
    const stopAgent = async () => {
      await program?.stop()
      program = null
    }
    started.push({ stop: stopAgent })
    await lock(owner)
    return {
      ...{ shop, agent, home: stage.home, site, device, owner, publicKey, stopAgent, stop },
      invite: async () => (await pageOfAgent(agentSocket(env)))!,
      pid: () => program!.pid,
      startAgent: async () => {
        program = await startAgent()
      },
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Copies the site, and fills in what a shop's developer does. */
async function layOut(
  site: string,
  { publicKey, agent }: { publicKey: string; agent: string },
): Promise<void> {
  await mkdir(site, { recursive: true, mode: 0o700 })
  await cp(SITE, site, { recursive: true })
  await cp(SEALER, join(site, 'claviger_seal.php'))
  const field = await toJavaScript(await readFile(FIELD, 'utf8'))
  await writeFile(join(site, 'public', 'claviger-field.js'), field)
  const staff = runPhp(['-r', 'echo password_hash($argv[1], PASSWORD_DEFAULT);', STAFF_PASSWORD])
  const fill = async (name: string, replacements: [from: string, to: string][]) => {
    let text = await readFile(join(site, name), 'utf8')
    for (const [from, to] of replacements) {
      if (!text.includes(from)) throw new Error(`${name} of the example shop has no ${from}`)
      text = text.replace(from, () => to)
    }
    await writeFile(join(site, name), text)
  }
  const key: [string, string] = ['clvp1:x:default:orders:1:…', publicKey]
  const agentOf: [string, string] = ["'http://127.0.0.1:7119'", `'${agent}'`]
  await fill('config.php', [key, agentOf, ["'staff' => ''", `'staff' => '${staff}'`]])
  await fill('shop.json', [key])
}

function runPhp(args: string[]): string {
  const { status, stdout, stderr } = spawnSync('php', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`php: ${stderr}`)
  return stdout
}

async function lock(owner: Profile): Promise<void> {
  const appliance = await connectProfile(owner)
  try {
    await appliance.lock()
  } finally {
    await appliance.close()
  }
}

/** Two that were free a moment ago. */
async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()]
  const ports = []
  for (const server of servers) {
    await once(server.listen(0, '127.0.0.1'), 'listening')
    ports.push((server.address() as { port: number }).port)
  }
  for (const server of servers) server.close()
  return ports as [number, number]
}
