/** The demo's shop: a small SQLite database whose cards and addresses are sealed with the public key only. */
import { spawnSync } from 'node:child_process'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { sealer } from '../../seal/seal.ts'

/** One row as the database holds it: `card` and `address` are tokens. */
export interface CustomerRow {
  id: number
  name: string
  card: string
  address: string
}

/** Test numbers of card brands and places of the world; nobody lives here. */
const CUSTOMERS: [name: string, card: string, address: string][] = [
  ['Ada Fernandez', '4242424242424242', 'Calle de Alcalá 45, 28014 Madrid, España'],
  ['Bo Lindqvist', '5555555555554444', 'Storgatan 12, 852 30 Sundsvall, Sverige'],
  ['Chidi Okafor', '4000056655665556', '14 Broad Street, Lagos Island, Lagos, Nigeria'],
  ['Dùbhghlas MacRae', '5200828282828210', '3 Bank Street, Portree IV51 9BZ, Scotland'],
  ['Elif Yılmaz', '4111111111111111', 'İstiklal Caddesi 88, 34433 Beyoğlu/İstanbul, Türkiye'],
  ['Farida Rahman', '378282246310005', 'House 7, Road 11, Dhanmondi, Dhaka 1209, Bangladesh'],
  ['Giorgos Pappas', '6011111111111117', 'Ερμού 24, 105 63 Αθήνα, Ελλάδα'],
  ['Hana Sato', '3566002020360505', '〒150-0001 東京都渋谷区神宮前1-5-8'],
  ['Inés Quispe', '4000000760000002', 'Jirón Puno 310, Cusco 08002, Perú'],
  ['Jörg Weiß', '5105105105105100', 'Gänsemarkt 36, 20354 Hamburg, Deutschland'],
  ['Kiri Ngata', '4012888888881881', '27 Cuba Street, Te Aro, Wellington 6011, Aotearoa'],
  ['Łucja Nowak', '4000000320000021', 'ul. Długa 5/8, 31-147 Kraków, Polska'],
]

/** How many of the customers PHP seals, where there is PHP. */
const SEALED_BY_PHP = 4

export const FIELDS = { card: 'card.number', address: 'address.ship' } as const

/** Name of a row in its context. */
export const recordOf = (id: number): string => `customers/${id}`

/** The shop's database. */
export class Shop {
  readonly #database: DatabaseSync
  /** Fields that PHP sealed; `null` where there is no PHP with ext-sodium. */
  readonly sealedByPhp: number | null

  /** Makes the database at `path` and fills it. Only the public key is used. */
  constructor(path: string, publicKey: string) {
    this.#database = new DatabaseSync(path)
    this.#database.exec(
      'CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, card VARCHAR(127), address TEXT)',
    )
    const insert = this.#database.prepare('INSERT INTO customers VALUES (?, ?, ?, ?)')
    const seal = sealer(publicKey)
    const php = sealWithPhp(publicKey)
    this.sealedByPhp = php ? php.length : null
    for (const [i, [name, card, address]] of CUSTOMERS.entries()) {
      const record = recordOf(i + 1)
      const sealedCard = php?.[i] ?? seal({ field: FIELDS.card, record }, card)
      insert.run(i + 1, name, sealedCard, seal({ field: FIELDS.address, record }, address))
    }
  }

  customers(): CustomerRow[] {
    return this.#database.prepare('SELECT * FROM customers ORDER BY id').all() as unknown as CustomerRow[]
  }

  close(): void {
    this.#database.close()
  }
}

/** What the shop itself would know: used to check what was opened. */
export function plaintextOf(id: number): { card: string; address: string } {
  const [, card, address] = CUSTOMERS[id - 1]!
  return { card, address }
}

/** @returns tokens of the first customers' cards, or `null` where there is no PHP that can seal */
function sealWithPhp(publicKey: string): string[] | null {
  const script = fileURLToPath(new URL('../../seal/claviger_seal.php', import.meta.url))
  const lines = CUSTOMERS.slice(0, SEALED_BY_PHP).map(([, value], i) =>
    JSON.stringify({ field: FIELDS.card, record: recordOf(i + 1), value }),
  )
  const { status, stdout } = spawnSync('php', [script, publicKey], {
    input: `${lines.join('\n')}\n`,
    encoding: 'utf8',
  })
  return status === 0 ? stdout.trim().split('\n') : null
}
