/**
 * SoftHSM2 within an application, beside the same application with p11-kit's client, `claviger pkcs11` and an appliance behind it: RSA-OAEP of
 * 2,048 bits. The application is a small program in Python, as Node loads no such module; four callers are four of it.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { constants, generateKeyPairSync, publicEncrypt } from 'node:crypto'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { CLIENT } from '../plugins/pkcs11/support.ts'
import { PIN, temporaryDirectory } from '../support/appliance.ts'
import type { Figure } from './figure.ts'
import { besidePeer, CALLERS, needPrograms, SECRET, type Subject } from './peers-measure.ts'
import { ours, SOFTHSM, softhsmToken, TOKENS } from './pkcs11-servers.ts'

const APPLICATION = fileURLToPath(new URL('./peers-pkcs11.py', import.meta.url))

/** One running application that is logged in. */
class Application {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>
  readonly #ended: Promise<unknown>

  private constructor(child: ChildProcess) {
    this.#child = child
    const lines: Interface = createInterface({ input: child.stdout! })
    this.#lines = lines[Symbol.asyncIterator]()
    this.#ended = once(child, 'exit')
  }

  static async start(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Application> {
    const child = spawn('python3', [APPLICATION, ...args], {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const application = new Application(child)
    await application.#line()
    return application
  }

  /** @returns ms of each opening */
  async open(ms: number): Promise<number[]> {
    this.#child.stdin!.write(`${ms}\n`)
    return JSON.parse(await this.#line()) as number[]
  }

  async end(): Promise<void> {
    this.#child.stdin!.end()
    await this.#ended
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#lines.next()
    if (done) throw new Error('the application ended')
    return value
  }
}

function calledBy(name: string, applications: readonly Application[]): Subject {
  return {
    name,
    alone: ms => applications[0]!.open(ms),
    together: async ms => {
      const times = await Promise.all(applications.map(application => application.open(ms)))
      const rateOf = (each: number[]) => (each.length * 1000) / each.reduce((sum, time) => sum + time, 0)
      return times.reduce((sum, each) => sum + rateOf(each), 0)
    },
  }
}

async function softhsm(): Promise<Figure> {
  needPrograms({
    'softhsm2-util': 'softhsm2',
    [SOFTHSM]: 'softhsm2',
    [CLIENT]: 'p11-kit-modules',
    python3: 'python3',
  })
  const directory = await temporaryDirectory()
  const ends: (() => unknown)[] = [() => directory.remove()]
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const key = { key: publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING }
  const block = publicEncrypt(key, Buffer.from(SECRET)).toString('hex')
  const start = async (name: string, module: string, token: string, env: NodeJS.ProcessEnv) => {
    const applications: Application[] = []
    for (let i = 0; i < CALLERS; i++) {
      const application = await Application.start([module, token, PIN, block, SECRET], env)
      ends.push(() => application.end())
      applications.push(application)
    }
    return calledBy(name, applications)
  }
  try {
    const env = await softhsmToken(directory.path, privateKey)
    const theirs = await start('SoftHSM2 in the application', SOFTHSM, TOKENS.softhsm, env)
    const device = join(directory.path, 'device')
    await mkdir(device)
    const { path, stop } = await ours(device, privateKey)
    ends.push(stop)
    const address = { P11_KIT_SERVER_ADDRESS: `unix:path=${path}` }
    const own = await start('claviger pkcs11, by p11-kit-client', CLIENT, TOKENS.ours, address)
    return await besidePeer('peer-softhsm', [theirs, { ...own, isCompiled: true }])
  } finally {
    for (const end of ends.toReversed()) await end()
  }
}

export const figures: { name: string; run: () => Promise<Figure> }[] = [
  { name: 'peer-softhsm', run: softhsm },
]
