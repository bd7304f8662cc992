/** What a request costs through the whole appliance over LAN mTLS, against floors measured in the same run. */
import { fork } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { decideItems, openItems } from '../../appliance/keeper/decrypt.ts'
import { Usage } from '../../appliance/keeper/policy/usage.ts'
import type { Appliance } from '../../host-agent/client/appliance.ts'
import { selfSigned, toPem } from '../../protocol/identity/certificate.ts'
import { flashCard, PIN, startProcesses, temporaryDirectory } from '../support/appliance.ts'
import type { Figure } from './figure.ts'
import { FIELD, PURPOSE, seal, withKeeper } from './local-keeper.ts'
import { inTurns, MEMORY } from './measure.ts'

const BATCH = 100
/** Batches under way at once, as `claviger open` has them: what is compared is the rate. */
const IN_FLIGHT = 4

/** An operational appliance with one key and one operator, for as long as `use` runs. */
async function withAppliance<T>(use: (till: Appliance, publicKey: string) => Promise<T>): Promise<T> {
  // The echo writes nothing: what a disk costs is another figure, `group-commit`.
  const directory = await temporaryDirectory(MEMORY)
  const card = await flashCard(directory.path, '')
  const processes = await startProcesses(directory.path)
  const { appliance } = processes
  try {
    await appliance.provision(card)
    const admin = await appliance.connect(appliance.admin)
    const key = await admin.createKey('orders')
    const till = await appliance.connect(await appliance.enrol('till-1', 'operator', ['orders'], PIN))
    return await use(till, key.versions[0]!.publicKey)
  } finally {
    await appliance.close()
    await processes.stop()
    await directory.remove()
  }
}

async function single(): Promise<Figure> {
  return withAppliance(async (till, publicKey) => {
    const context = { field: FIELD, record: 'cust_cards/42' }
    const body = { purpose: PURPOSE, items: [{ ciphertext: seal(publicKey, context.record), context }] }
    const answer = JSON.stringify(await till.decrypt(body))
    return withEcho(answer, async echo => {
      const text = JSON.stringify(body)
      const { floor, subject } = await inTurns(
        1000,
        2000,
        () => echo(text),
        () => till.decrypt(body),
      )
      return { name: 'single-lan', value: subject / floor, unit: 'x', floor, bar: 2, better: 'lower' }
    })
  })
}

/** What three processes cost that do nothing but pass on, write durably and multiply once; no subject of ours. */
async function chain(): Promise<Figure> {
  const directory = await temporaryDirectory(MEMORY)
  const answer = JSON.stringify({ results: [{ value: '4242424242424242' }], audit: { index: 1 } })
  const [socket, log] = ['chain.sock', 'log'].map(name => join(directory.path, name))
  const child = fork(fileURLToPath(new URL('./chain-end.ts', import.meta.url)), [socket!, log!, answer])
  try {
    await once(child, 'message')
    const body = JSON.stringify({ purpose: PURPOSE, items: [{ ciphertext: 'x'.repeat(150), context: {} }] })
    return await withEcho(answer, echo =>
      withEcho(
        answer,
        async passedOn => {
          const { floor, subject } = await inTurns(
            1000,
            2000,
            () => echo(body),
            () => passedOn(body),
          )
          const value = subject / floor
          return { name: 'single-lan-chain', value, unit: 'x', floor, bar: null, better: 'lower' }
        },
        socket,
      ),
    )
  } finally {
    child.disconnect()
    await directory.remove()
  }
}

/**
 * A bare echo in a process of its own, called over a kept connection.
 *
 * @param behind - UNIX socket of a process that it asks for each answer
 */
async function withEcho<T>(
  answer: string,
  use: (echo: (body: string) => Promise<void>) => Promise<T>,
  behind?: string,
): Promise<T> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  const cert = toPem(selfSigned({ namespace: 'bench', role: 'device', name: 'echo' }, privateKey))
  const child = fork(fileURLToPath(new URL('./echo-server.ts', import.meta.url)))
  try {
    child.send({ key, cert, ca: cert, answer, ...(behind ? { behind } : {}) })
    const [port] = (await once(child, 'message')) as [number]
    const agent = new Agent({ keepAlive: true, key, cert, rejectUnauthorized: false, minVersion: 'TLSv1.3' })
    const headers = { 'content-type': 'application/json' }
    return await use(
      body =>
        new Promise((resolve, reject) => {
          const sending = request(
            { agent, port, host: '127.0.0.1', method: 'POST', path: '/', headers },
            response => {
              const chunks: Buffer[] = []
              response.on('data', chunk => chunks.push(chunk))
              response.on('end', () => {
                JSON.parse(Buffer.concat(chunks).toString())
                resolve()
              })
            },
          )
          sending.on('error', reject)
          sending.setHeader('content-length', Buffer.byteLength(body))
          sending.end(body)
        }),
    )
  } finally {
    child.disconnect()
  }
}

/** The floor decides and opens in one process; what it does not have is a wire, a gate and a log. */
async function batch(): Promise<Figure> {
  return withKeeper(tmpdir(), keeper =>
    withAppliance(async (till, publicKey) => {
      const records = Array.from({ length: BATCH }, (_, i) => `cust_cards/${i}`)
      const items = records.map(record => ({
        ciphertext: seal(publicKey, record),
        context: { field: FIELD, record },
      }))
      const { unlocked, agent } = keeper
      const local = keeper.items(records)
      const usage = new Usage()
      usage.watch(unlocked.grants)
      const inProcess = async () => {
        const clock = { wall: Date.now(), budget: performance.now() }
        const decided = decideItems({ namespace: 'default', unlocked, agent, usage, clock }, PURPOSE, local)
        const opened = await openItems(decided)
        if (opened.some(result => typeof result === 'string')) throw new Error('a field did not open')
      }
      const overLan = async () => {
        const { results } = await till.decrypt({ purpose: PURPOSE, items })
        if (results.some(({ value }) => value === undefined)) throw new Error('a field did not open')
      }
      const inFlight = (run: () => Promise<void>) => () => Promise.all(Array.from({ length: IN_FLIGHT }, run))
      const { floor, subject } = await inTurns(40, 60, inFlight(inProcess), inFlight(overLan))
      const value = floor / subject
      const perField = floor / (BATCH * IN_FLIGHT)
      return { name: 'batch-lan', value, unit: 'x', floor: perField, bar: 0.6, better: 'higher' }
    }),
  )
}

export const figures: { name: string; run: () => Promise<Figure> }[] = [
  { name: 'single-lan', run: single },
  { name: 'single-lan-chain', run: chain },
  { name: 'batch-lan', run: batch },
]
