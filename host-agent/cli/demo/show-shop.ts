/** `claviger demo --shop`: says where the shop, its orders and the staff's page are, and keeps them running until Ctrl-C. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { styleText } from 'node:util'
import type { Terminal } from '../terminal.ts'
import { type ExampleShop, exampleFault, openExampleShop, STAFF_PASSWORD } from './example-shop.ts'
import { DEMO_PASSPHRASE, DEMO_PIN } from './story.ts'

/** As many as there are labels on a sheet and two thirds. */
const ORDERS = 40

/** @returns the exit status */
export async function showShop(terminal: Terminal): Promise<number> {
  const fault = exampleFault()
  if (fault !== null) {
    terminal.print(fault)
    return 1
  }
  const directory = await mkdtemp(join(tmpdir(), 'claviger-'))
  const stopped = new Promise<null>(resolve => {
    // a terminal's Ctrl-C comes twice: from it, and from the program that started this one
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => resolve(null))
  })
  terminal.print('One moment: a device, an agent and a shop are starting …')
  const opening = openExampleShop(
    { data: join(directory, 'device'), home: join(directory, 'home') },
    { orders: ORDERS },
  )
  try {
    const open = await Promise.race([opening, stopped])
    if (open === null) return 130
    for (const line of storyOf(open, await open.invite())) terminal.print(line)
    const reader = createInterface({ input: process.stdin })
    // a link is good for two minutes and one browser
    reader.on(
      'line',
      () =>
        void open.invite().then(
          url => terminal.print(`     ${url}`),
          () => {},
        ),
    )
    await stopped
    reader.close()
    return 0
  } finally {
    await opening.then(
      open => open.stop(),
      () => {},
    )
    await rm(directory, { recursive: true, force: true })
  }
}

/** What to click, in order. */
export function storyOf({ shop, home }: Pick<ExampleShop, 'shop' | 'home'>, link: string): string[] {
  const bold = (text: string) => styleText('bold', text)
  const faint = (text: string) => styleText('dim', text)
  return [
    '',
    `  ${bold('1  The shop')}           ${shop}/`,
    '     Buy something: card 4242 4242 4242 4242, any later month, a phone such as +31 20 123 4567.',
    `     ${faint(`What a thief would read: sqlite3 ${home}/shop/shop.db "select * from orders"`)}`,
    '',
    `  ${bold('2  The staff’s page')}   ${link}`,
    `     Unlock with PIN ${bold(DEMO_PIN)}. Reveal, print labels 1 to ${ORDERS}, look at “Today”.`,
    '',
    `  ${bold('3  The shop’s orders')}  ${shop}/admin.php`,
    `     Password “${STAFF_PASSWORD}”. “Let this shop in”, compare four digits, allow, reveal.`,
    '',
    `  ${bold('4')}  Reveal a value, then press “Lockdown” on the staff’s page: it is gone.`,
    `     The owner lifts it there with the passphrase “${DEMO_PASSPHRASE}”.`,
    '',
    '  The link of 2 lets one browser in, within two minutes; Enter makes another. Ctrl-C ends all of it and removes what it made.',
    '',
  ]
}
