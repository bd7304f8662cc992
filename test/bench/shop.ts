/** What a shop's rows cost beside the work on their values: sealing in place, and rewrapping through a whole appliance over LAN. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { applianceSource } from '../../host-agent/client/sources/appliance.ts'
import { sealer } from '../../host-agent/seal/seal.ts'
import type { Database } from '../../host-agent/shop/database/database.ts'
import { openSqlite } from '../../host-agent/shop/database/sqlite.ts'
import { parseMapping, type TableMapping } from '../../host-agent/shop/mapping/mapping.ts'
import { TYPES } from '../../host-agent/shop/records/types.ts'
import type { TableReport } from '../../host-agent/shop/sealing/report.ts'
import { rewrapTable } from '../../host-agent/shop/sealing/rewrap-table.ts'
import { sealTable } from '../../host-agent/shop/sealing/seal-table.ts'
import { openField, sealField } from '../../protocol/envelope/field.ts'
import { generatePrivateKey, importPrivateKey } from '../../protocol/envelope/keys.ts'
import { formatPublicKey, parsePublicKey } from '../../protocol/envelope/token.ts'
import { flashCard, startProcesses, temporaryDirectory } from '../support/appliance.ts'
import type { Figure } from './figure.ts'
import { MEMORY, median, milliseconds } from './measure.ts'

const ROWS = 4000
const ROUNDS = 5
const WARM_UPS = 1
const FIELDS = { phone: 'phone.number', name: 'customer.name' }
const COLUMNS = Object.keys(FIELDS) as (keyof typeof FIELDS)[]

const generated = generatePrivateKey('x')
const privateKey = importPrivateKey('x', generated.pkcs8)
const PLACE = { namespace: 'default', key: 'orders' }
const PUBLIC_KEY = formatPublicKey({ suite: 'x', ...PLACE, version: 1, bytes: generated.publicKey })

const recordOf = (id: number) => `customers/${id}`
const textOf = (column: string, id: number) =>
  column === 'phone' ? `+4930${String(id).padStart(7, '0')}` : `Zoë of house ${id}`

/** Rows 1 to {@link ROWS} in a new file in memory: what is measured is the work and not the disk. */
function makeShop(path: string, cellOf: (column: keyof typeof FIELDS, id: number) => string): void {
  rmSync(path, { force: true })
  const database = new DatabaseSync(path)
  database.exec('CREATE TABLE customers (id INTEGER PRIMARY KEY, phone TEXT, name TEXT, town TEXT); BEGIN')
  const insert = database.prepare('INSERT INTO customers VALUES (?, ?, ?, ?)')
  for (let id = 1; id <= ROWS; id++)
    insert.run(id, ...COLUMNS.map(column => cellOf(column, id)), `town ${id % 90}`)
  database.exec('COMMIT')
  database.close()
}

function mappingOf(publicKey: string, file: string): TableMapping {
  const tables = { customers: { key: ['id'], sealed: FIELDS } }
  const text = JSON.stringify({ database: { kind: 'sqlite', file }, publicKey, tables })
  return parseMapping(text, '').tables[0]!
}

/** Ms of `work` on the table, which has to do every row. */
async function timed(
  path: string,
  work: (
    database: Database,
    described: NonNullable<Awaited<ReturnType<Database['describe']>>>,
  ) => Promise<TableReport>,
): Promise<number> {
  const database = openSqlite(path)
  try {
    const described = (await database.describe('customers'))!
    let sealed = 0
    const time = await milliseconds(async () => {
      sealed = (await work(database, described)).sealed
    })
    if (sealed !== ROWS) throw new Error(`${sealed} rows were done`)
    return time
  } finally {
    await database.close()
  }
}

/** Medians of both in turns; the value is the subject's rate over the floor's, and `floor` the floor's rows a second. */
async function rates(
  name: string,
  floor: () => unknown,
  prepare: () => unknown,
  subject: () => Promise<number>,
): Promise<Figure> {
  const times: { floor: number[]; subject: number[] } = { floor: [], subject: [] }
  for (let round = -WARM_UPS; round < ROUNDS; round++) {
    await prepare()
    const floorTime = await milliseconds(floor)
    const subjectTime = await subject()
    if (round < 0) continue
    times.floor.push(floorTime)
    times.subject.push(subjectTime)
  }
  const bare = median(times.floor)
  const value = bare / median(times.subject)
  return { name, value, unit: 'x', floor: (ROWS / bare) * 1000, bar: 0.5, better: 'higher' }
}

async function sealing(): Promise<Figure> {
  const directory = await temporaryDirectory(MEMORY)
  try {
    const path = join(directory.path, 'shop.db')
    const mapping = mappingOf(PUBLIC_KEY, path)
    const seal = sealer(PUBLIC_KEY)
    const bare = () => {
      for (let id = 1; id <= ROWS; id++)
        for (const column of COLUMNS)
          seal({ field: FIELDS[column], record: recordOf(id) }, textOf(column, id))
    }
    const nothing = () => {
      throw new Error('there is no index')
    }
    const work = { seal, keyName: PLACE.key, types: TYPES, indexOf: nothing, isNullable: () => true }
    return await rates(
      'shop-seal',
      bare,
      () => makeShop(path, textOf),
      () => timed(path, (database, table) => sealTable(database, mapping, table, work, { dryRun: false })),
    )
  } finally {
    await directory.remove()
  }
}

/** The floor opens and seals one token after the other on one thread; it has no wire, no gate, no log and no database. */
async function rewrapping(): Promise<Figure> {
  const directory = await temporaryDirectory(MEMORY)
  const card = await flashCard(directory.path, '')
  const processes = await startProcesses(directory.path)
  const { appliance } = processes
  try {
    await appliance.provision(card)
    const admin = await appliance.connect(appliance.admin)
    const first = sealer((await admin.createKey('orders')).versions[0]!.publicKey)
    const newest = (await admin.rotateKey('orders')).versions.at(-1)!.publicKey
    const profile = await appliance.enrol('mover', 'operator')
    const may = { purposes: ['rotate'], reveal: ['rewrap' as const], fields: ['*'], budgets: [], hours: null }
    await admin.addGrant({ ...may, agent: 'mover', key: 'orders' })
    const source = applianceSource(await appliance.connect(profile))
    const path = join(directory.path, 'shop.db')
    const mapping = mappingOf(newest, path)
    const tokensOf = (seal: typeof first) =>
      new Map(
        COLUMNS.map(column => [
          column,
          Array.from({ length: ROWS }, (_, i) =>
            seal({ field: FIELDS[column], record: recordOf(i + 1) }, textOf(column, i + 1)),
          ),
        ]),
      )
    const old = tokensOf(first)
    const own = tokensOf(sealer(PUBLIC_KEY))
    const publicKey = parsePublicKey(PUBLIC_KEY)
    const bare = () => {
      for (const column of COLUMNS)
        for (const [i, token] of own.get(column)!.entries()) {
          const place = { field: FIELDS[column], record: recordOf(i + 1) }
          sealField(publicKey, place, openField(privateKey, token, { ...PLACE, ...place }))
        }
    }
    const work = { source, purpose: 'rotate', key: parsePublicKey(newest), isNullable: () => true }
    return await rates(
      'shop-rewrap',
      bare,
      () => makeShop(path, (column, id) => old.get(column)![id - 1]!),
      () => timed(path, (database, table) => rewrapTable(database, mapping, table, work)),
    )
  } finally {
    await appliance.close()
    await processes.stop()
    await directory.remove()
  }
}

export const figures: { name: string; run: () => Promise<Figure> }[] = [
  { name: 'shop-seal', run: sealing },
  { name: 'shop-rewrap', run: rewrapping },
]
