/** How the demo tells its story: short lines that a shop owner understands. */
import { styleText } from 'node:util'
import type { DemoDevice } from './device.ts'
import type { CustomerRow } from './shop.ts'
import { DEMO_PASSPHRASE, DEMO_PIN, KEY } from './story.ts'

const COMMAND = 'node host-agent/cli/claviger.mjs'
const WIRES: Record<DemoDevice['tool'], string> = {
  socat: 'serial line (two terminals joined by socat)',
  python3: 'serial line (two terminals joined by python3)',
  stream: 'serial link over a socket (neither socat nor python3 is here to make terminals)',
}

const ms = (time: number) => (time < 1000 ? `${Math.round(time)} ms` : `${(time / 1000).toFixed(1)} s`)
const faint = (text: string) => styleText('dim', text)
const cut = (text: string, length: number) => {
  const characters = [...text]
  return characters.length > length ? `${characters.slice(0, length - 1).join('')}…` : text
}
const masked = (card: string) => `•••• ${card.slice(-4)}`

export class Teller {
  readonly #print: (line: string) => void

  /** @param print - `null` tells nothing */
  constructor(print: ((line: string) => void) | null) {
    this.#print = print ?? (() => {})
    this.#print('')
    this.#print(
      `${styleText('bold', 'Claviger')}: a key that opens your customers’ data, and never leaves its box`,
    )
    this.#print('')
  }

  #tell(title: string, text: string, mark = '✔'): void {
    this.#print(`${styleText('green', mark)} ${styleText('bold', title.padEnd(17))}${text}`)
  }

  #more(text: string): void {
    this.#print(`${' '.repeat(19)}${text}`)
  }

  device(startMs: number, { lan, tool }: DemoDevice): void {
    this.#tell('The box', `is up in ${ms(startMs)}: three processes, two wires`)
    this.#more(faint(`LAN ${lan}`))
    this.#more(faint(WIRES[tool]))
  }

  owner(key: string, publicKey: string): void {
    this.#tell('Its owner', `set a passphrase and made the key “${key}”. This half of it is public:`)
    this.#more(faint(publicKey))
  }

  workstations(): void {
    this.#tell('Two workstations', '“office” enrolled over serial, “till” over LAN, each with a PIN')
    this.#more(faint('office may see addresses to ship, till may see cards to charge; nothing else'))
  }

  shop(customers: number, php: number | null): void {
    const by = php === null ? '' : ` (${php} cards by PHP)`
    this.#tell('The web shop', `sealed ${customers} customers’ cards and addresses with the public half${by}`)
    this.#print('')
  }

  thief(rows: CustomerRow[]): void {
    this.#print(`  ${styleText('bold', 'A thief who copies the whole database reads this:')}`)
    this.#print('')
    for (const { id, name, card, address } of rows)
      this.#print(
        `    ${String(id).padStart(2)}  ${name.padEnd(17)} ${styleText('red', cut(card, 28))}  ${styleText('red', cut(address, 28))}`,
      )
    this.#print('')
  }

  labels(addresses: string[], time: number): void {
    this.#tell('Over serial', `“office” opened ${addresses.length} shipping addresses in ${ms(time)}`)
    for (const address of addresses.slice(0, 2)) this.#more(faint(cut(address, 56)))
  }

  cards(cards: string[], time: number): void {
    this.#tell('Over LAN', `“till” opened ${cards.length} cards in ${ms(time)}`)
    this.#more(faint(cards.slice(0, 4).map(masked).join('  ')))
  }

  refused(stranger: string, swapped: string, purpose: string): void {
    this.#tell('A stranger', `with a certificate of his own was turned away ${faint(`(${stranger})`)}`)
    this.#tell(
      'A swapped row',
      `one customer’s card in another’s row: does not open ${faint(`(${swapped})`)}`,
    )
    this.#tell('Another purpose', `“till” asks for a card for marketing: refused ${faint(`(${purpose})`)}`)
  }

  killed(answered: number, time: number): void {
    this.#tell(
      'kill -9',
      `of the network process amid ${answered} requests: all answered within ${ms(time)},`,
    )
    this.#more('nothing lost, the key still unlocked in its own process')
  }

  log(entries: number): void {
    this.#tell(
      'The log',
      `has all of this in ${entries} entries; they are what the device signed, none is missing`,
    )
  }

  end(seconds: number): void {
    this.#print('')
    this.#print(`  All of it was real, and took ${seconds.toFixed(1)} s.`)
  }

  /** What to do after the demo. */
  next(): void {
    this.#print('')
    this.#print('  Try next')
    this.#print('    npm run demo -- --keep     leaves it running for you to play with')
    this.#print('    npm test                   everything that is claimed, tested')
    this.#print('    README.md, SECURITY.md     how it works, and what it does not protect from')
    this.#print('')
  }

  /** Commands for the appliance that was left running. Told even with `--json`, on purpose: a person asked for it. */
  toTry(home: string, directory: string): void {
    const commands = [
      `${COMMAND} status`,
      `${COMMAND} admin key list --as owner`,
      `${COMMAND} admin agent list --as owner`,
      `${COMMAND} admin grant list --as owner`,
      `${COMMAND} admin audit tail --as owner`,
      `${COMMAND} lock --as till`,
      `${COMMAND} unlock --as till`,
      `sqlite3 ${home}/shop.db "select card from customers where id = 3" | ${COMMAND} open --as till --purpose charge --field card.number --record customers/3`,
    ]
    this.#print('')
    this.#print(
      `  It is running. PIN ${DEMO_PIN}, passphrase “${DEMO_PASSPHRASE}”, key “${KEY}”. In another terminal:`,
    )
    this.#print('')
    this.#print(`    export CLAVIGER_HOME=${home}`)
    for (const line of commands) this.#print(`    ${line}`)
    this.#print('')
    this.#print(`  Ctrl-C here ends it and removes ${directory}`)
  }
}
