/** A table as shops have them, whose rows are a function of their number: what is in it after any number of kills can be told exactly. */

import type { Appliance } from '../../../host-agent/client/appliance.ts'
import { blindIndex } from '../../../host-agent/shop/records/blind-index.ts'
import type { DecryptBody } from '../../../protocol/api/schemas.ts'
import type { Shop } from '../database/servers.ts'

/** Most statements' parameters, and characters of a request, that are sent at once. */
const ROWS_AT_ONCE = 500
const ITEMS = 500
const CHARACTERS = 500_000
const REQUESTS = 3
/** Rows whose state tells how far a run is. */
const SAMPLE = 100

export const INDEX_KEY = new Uint8Array(32).fill(7)
const INDEX_BITS = 16
const phoneIndex = blindIndex(INDEX_KEY, 'phone.number', INDEX_BITS)

type Cell = string | null

/** What a shop wrote into a row. */
interface Plain {
  readonly id: number
  readonly phone: Cell
  readonly note: Cell
  readonly no: Cell
  readonly owner: Cell
  readonly until: Cell
  readonly town: string
}

/** Columns that hold tokens in the end, with the field of each. */
const FIELDS = { phone: 'phone.number', note: 'customer.note', no: 'card.number', owner: 'card.holder' }
type Sealed = keyof typeof FIELDS
const SEALED = Object.keys(FIELDS) as Sealed[]
const COLUMNS = [
  'id',
  'phone',
  'phone_index',
  'note',
  'no',
  'owner',
  'until',
  'brand',
  'last4',
  'town',
] as const

/** What the mapping says of the table. */
export const TABLES = {
  customers: {
    key: ['id'],
    sealed: {
      phone: { field: 'phone.number', index: { column: 'phone_index', bits: INDEX_BITS } },
      note: 'customer.note',
    },
    records: {
      card: {
        type: 'card',
        inputs: { number: 'no', holder: 'owner', expiry: 'until' },
        sealed: { number: 'no', holder: 'owner' },
        readable: { brand: 'brand', last4: 'last4', expiry: 'until' },
      },
    },
  },
}

/** The key of a row has gaps, as keys in a shop have. */
const idOf = (i: number) => 3 * i + 7

/** @param i - number of the row, from 0 */
export function plainRow(i: number): Plain {
  const id = idOf(i)
  const hasCard = i % 4 === 1
  return {
    id,
    phone: i % 11 === 0 ? null : i % 13 === 0 ? '' : `+49 30 ${id}`,
    note: noteOf(i),
    no: hasCard ? cardNumber(id) : null,
    owner: hasCard && i % 3 > 0 ? `Zoë O'Brien ${id}` : null,
    until: hasCard ? `${String((i % 12) + 1).padStart(2, '0')}/${27 + (i % 5)}` : null,
    town: `town ${i % 90}`,
  }
}

function noteOf(i: number): Cell {
  if (i % 50 === 9) return `${i} Straße 漢字 💳 \\ "x" `.repeat(20 + (i % 80))
  return [null, '', `ring twice ${i}`, `💳 ${i}\t`, `e\u0301 ${i} `, null, `%_ '${i}'`, '0'][i % 8]!
}

/** Ends in a check digit (ISO/IEC 7812-1, annex B). */
function cardNumber(id: number): string {
  const digits = `4${String(id * 7919).padStart(14, '0')}`
  const sum = [...digits].reduce((sum, digit, i) => {
    const value = Number(digit) * (i % 2 === 0 ? 2 : 1)
    return sum + (value > 9 ? value - 9 : value)
  }, 0)
  return `${digits}${(10 - (sum % 10)) % 10}`
}

/** Makes the table anew. */
export async function fillTable(shop: Shop, rows: number): Promise<void> {
  const [short, long] = shop.kind === 'mariadb' ? ['varchar(700)', 'mediumtext'] : ['text', 'text']
  await shop.run('DROP TABLE IF EXISTS customers')
  await shop.run(
    `CREATE TABLE customers (id bigint PRIMARY KEY, phone ${short}, phone_index varchar(8), note ${long}, no ${short}, owner ${short},
     until varchar(20), brand varchar(20), last4 varchar(4), town varchar(40) NOT NULL)`,
  )
  const filled = ['id', 'phone', 'note', 'no', 'owner', 'until', 'town'] as const
  const places = `(${filled.map(() => '?').join(', ')})`
  await shop.run('BEGIN')
  for (let i = 0; i < rows; i += ROWS_AT_ONCE) {
    const batch = Array.from({ length: Math.min(ROWS_AT_ONCE, rows - i) }, (_, n) => plainRow(i + n))
    await shop.run(
      `INSERT INTO customers (${filled.join(', ')}) VALUES ${batch.map(() => places).join(', ')}`,
      ...batch.flatMap(row => filled.map(column => row[column])),
    )
  }
  await shop.run('COMMIT')
}

/** Tells how far a run is, from 0 to 1, by a few rows that are read by their key. @param token - how tokens begin that are done */
export function progressOf(shop: Shop, rows: number): (token: string) => Promise<number> {
  const step = Math.max(1, Math.floor(rows / SAMPLE))
  const sample: number[] = []
  for (let i = 0; i < rows; i += step) {
    const { id, phone } = plainRow(i)
    if (phone) sample.push(id)
  }
  return async token => {
    const [[count] = []] = await shop.run(
      `SELECT count(*) FROM customers WHERE id IN (${sample.join(', ')}) AND phone LIKE '${token}%'`,
    )
    return Number(count) / sample.length
  }
}

/** Rows of which some is done and some is not. @param token - how tokens begin that are done */
export async function halfRows(shop: Shop, token: string): Promise<number> {
  const any = SEALED.map(column => `${column} LIKE '${token}%'`).join(' OR ')
  const open = SEALED.map(column => `(${column} <> '' AND ${column} NOT LIKE '${token}%')`).join(' OR ')
  const [[count] = []] = await shop.run(`SELECT count(*) FROM customers WHERE (${any}) AND (${open})`)
  return Number(count)
}

/** What a whole look at the table found. */
export interface Look {
  readonly rows: number
  readonly tokens: number
  /** The first faults, without contents, and how many there are. */
  readonly wrong: { count: number; first: string[] }
}

/**
 * Reads the whole table, opens every token, and compares each cell with what it was made of.
 *
 * @param token - how every token has to begin
 * @param opener - may see everything
 */
export async function lookAtAll(
  shop: Shop,
  token: string,
  opener: Pick<Appliance, 'decrypt'>,
): Promise<Look> {
  const wrong = { count: 0, first: [] as string[] }
  const fault = (what: string) => {
    wrong.count++
    if (wrong.first.length < 5) wrong.first.push(what)
  }
  let [next, tokens, last] = [0, 0, -1]
  for (;;) {
    const page = (await shop.run(
      `SELECT ${COLUMNS.join(', ')} FROM customers WHERE id > ? ORDER BY id LIMIT ${ROWS_AT_ONCE * 4}`,
      last,
    )) as Cell[][]
    if (page.length === 0) break
    const asked: { ciphertext: string; field: string; record: string; plain: string }[] = []
    for (const values of page) {
      const now = Object.fromEntries(COLUMNS.map((column, i) => [column, values[i]!])) as Record<string, Cell>
      const plain = plainRow(next++)
      const record = `customers/${plain.id}`
      last = Number(now.id)
      if (last !== plain.id) fault(`${record}: found ${last} in its place`)
      const readable = readableOf(plain)
      for (const [column, value] of Object.entries(readable))
        if ((now[column] ?? null) !== value) fault(`${record}.${column} is not what it was to be`)
      for (const column of SEALED) {
        const [before, after] = [plain[column], now[column] ?? null]
        if (!before) {
          if (after !== before) fault(`${record}.${column} was empty`)
        } else if (!after?.startsWith(token)) fault(`${record}.${column} is no token of this version`)
        else asked.push({ ciphertext: after, field: FIELDS[column], record, plain: before })
      }
    }
    tokens += asked.length
    for (const { record, field } of await wronglyOpened(asked, opener)) fault(`${record}: ${field}`)
  }
  return { rows: next, tokens, wrong }
}

/** What the columns that stay readable have in the end. */
function readableOf({ phone, no, until, town }: Plain): Record<string, Cell> {
  const [month, year] = until?.split('/') ?? []
  return {
    phone_index: phone ? phoneIndex(phone) : null,
    until: until && `20${year}-${month}`,
    brand: no && 'visa',
    last4: no ? no.slice(-4) : null,
    town,
  }
}

async function wronglyOpened<T extends { ciphertext: string; field: string; record: string; plain: string }>(
  asked: readonly T[],
  opener: Pick<Appliance, 'decrypt'>,
): Promise<T[]> {
  const batches: T[][] = [[]]
  let size = 0
  for (const each of asked) {
    size += each.ciphertext.length
    if (batches.at(-1)!.length === ITEMS || size > CHARACTERS) {
      batches.push([])
      size = each.ciphertext.length
    }
    batches.at(-1)!.push(each)
  }
  const wrong: T[] = []
  const lane = async () => {
    for (let batch = batches.shift(); batch; batch = batches.shift()) {
      const items: DecryptBody['items'] = batch.map(({ ciphertext, field, record }) => ({
        ciphertext,
        context: { field, record },
      }))
      if (items.length === 0) continue
      const { results } = await opener.decrypt({ purpose: 'test', items })
      wrong.push(...batch.filter(({ plain }, i) => results[i]?.value !== plain))
    }
  }
  await Promise.all(Array.from({ length: REQUESTS }, lane))
  return wrong
}
