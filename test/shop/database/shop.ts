/** A key, mappings and runs of `claviger shop` for the tests of databases. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { openField } from '../../../protocol/envelope/field.ts'
import { generatePrivateKey, importPrivateKey } from '../../../protocol/envelope/keys.ts'
import { formatPublicKey } from '../../../protocol/envelope/token.ts'
import { bareNode } from '../../support/environment.ts'
import type { Shop } from './servers.ts'

const MAIN = fileURLToPath(new URL('../../../host-agent/cli/main.ts', import.meta.url))

/** Longest time between the first batch and a kill. */
const MOST_DELAY_MS = 150

const generated = generatePrivateKey('x')
const privateKey = importPrivateKey('x', generated.pkcs8)
const PLACE = { namespace: 'default', key: 'orders' }
export const PUBLIC_KEY = formatPublicKey({ suite: 'x', ...PLACE, version: 1, bytes: generated.publicKey })

/** Opens a token as the device would. */
export function openToken(token: string, field: string, record: string): string {
  return Buffer.from(openField(privateKey, token, { ...PLACE, field, record })).toString('utf8')
}

export interface Ran {
  status: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

/** Runs of `claviger shop` with mappings of tables of a database. */
export class Runs {
  readonly #folder = mkdtempSync(join(tmpdir(), 'claviger-shop-'))
  readonly #shop: Shop
  #count = 0

  constructor(shop: Shop) {
    this.#shop = shop
  }

  /** @returns path of a mapping */
  mapping(tables: object, others: object = {}): string {
    const path = join(this.#folder, `${++this.#count}.json`)
    const mapping = { database: this.#shop.connection, publicKey: PUBLIC_KEY, tables, ...others }
    writeFileSync(path, JSON.stringify(mapping))
    return path
  }

  /** @param killWhen - asked until it is so; at a random moment soon after comes SIGKILL */
  async run(
    args: string[],
    {
      killWhen,
      env = {},
      stdin = '',
    }: { killWhen?: () => Promise<boolean>; env?: object; stdin?: string } = {},
  ): Promise<Ran> {
    const child = spawn(...bareNode(MAIN, 'shop', ...args), {
      env: { ...process.env, CLAVIGER_HOME: this.#folder, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    child.stdin.on('error', () => {})
    child.stdin.end(stdin)
    const ended = new Promise<[number | null, NodeJS.Signals | null]>(resolve =>
      child.once('close', (status, signal) => resolve([status, signal])),
    )
    if (killWhen) {
      while (child.exitCode === null && !(await killWhen())) await sleep(10)
      await sleep(Math.random() * MOST_DELAY_MS)
      child.kill('SIGKILL')
    }
    const [stdout, stderr, [status, signal]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      ended,
    ])
    return { status, signal, stdout, stderr }
  }

  /** A command with `--json`, and what it printed. */
  async json(args: string[], options: { env?: object; stdin?: string } = {}): Promise<Ran & { told: Told }> {
    const ran = await this.run([...args, '--json'], options)
    return { ...ran, told: JSON.parse(ran.stdout || '{}') as Told }
  }

  end(): void {
    rmSync(this.#folder, { recursive: true })
  }
}

interface Told {
  findings: { is: string; where: string; what: string; hint?: string }[]
  tables: {
    table: string
    rows: number
    sealed: number
    before: number
    faults: { fault: string; where: string; rows: number; first: string[] }[]
  }[]
  versions: { column: string; tokens: { [version: string]: number }; open: number; empty: number }[]
  traces: { path: string; values: number }[]
  lingering: { where: string; commands: string[] }[]
  error?: { code: string; message: string; hint?: string }
}
