/** `claviger flash`: makes a card's owner, and has the image builder write the card. docs/flash.md. */
import { resolve } from 'node:path'
import type { Card } from '../../client/card.ts'
import { assertBuilder, HANDED_FD, runBuilder } from '../builder.ts'
import { CARD_OPTIONS, CARD_USAGE, discardCard, nextCommands, prepareCard } from '../cards.ts'
import { COMMON, type Command, readArguments, type Surroundings, UsageError } from '../command.ts'

/** Options that are the builder's, and go to it as they are. */
const HANDED_ON = {
  network: { type: 'string' },
  address: { type: 'string', multiple: true },
  manifest: { type: 'string' },
  key: { type: 'string' },
  unsigned: { type: 'boolean' },
  yes: { type: 'string' },
  size: { type: 'string' },
  'not-removable': { type: 'boolean' },
  large: { type: 'boolean' },
} as const

export const command: Command = {
  summary: 'write an image to a card, for a new device that is yours',
  usage: `claviger flash IMAGE CARD [--key FILE] [--device NAME] [--network FILE] [--address eth0=192.168.1.5/24]…

IMAGE is an .img or .img.zst with its manifest beside it; CARD is a whole disk such as /dev/sdb, or a file for a virtual
machine. It shows what will be erased, and asks. The enrolment of the first administrator stays here.

  --key FILE          public key of the release, which signed the manifest
  --unsigned          although nobody vouches for the image, such as for one that you built
  --manifest FILE     manifest of the image, unless it is beside it
${CARD_USAGE}  --provision FILE    one that claviger provision --write made, instead of a new one
  --network FILE      network.json of a LAN box (docs/lan.md)
  --address IF=ADDR   fixed address of an interface of a LAN box; may be given several times
  --yes NAME          do not ask; NAME is that of the card, such as sdb
  --size SIZE         of a card that is a file and is made, such as 2G
  --not-removable     although the disk is built in
  --large             although the disk is larger than 512 GB
  --json
`,

  async run(args, surroundings) {
    const { at: _, ...common } = COMMON
    const { options, positionals } = readArguments(
      args,
      { ...common, ...CARD_OPTIONS, ...HANDED_ON, provision: { type: 'string' } },
      ['IMAGE', 'CARD'],
    )
    const { terminal, env } = surroundings
    const { provision, json, as, device, namespace, ...handedOn } = options
    const builderArgs = ['flash', ...positionals.map(path => resolve(path)), ...argumentsOf(handedOn)]
    assertBuilder()
    if (provision !== undefined) {
      if (as !== undefined || device !== undefined || namespace !== undefined)
        throw new UsageError('--as, --device and --namespace are for a new card', 'leave out --provision')
      return runBuilder([...builderArgs, '--provision', provision])
    }
    assertOwnHome(surroundings)
    const card = await prepareCard({ as, device, namespace }, env)
    const status = await handOver(card, builderArgs, env)
    if (status !== 0) return status
    const { profiles } = card
    if (json) {
      terminal.printJson({
        card: positionals[1],
        enrolments: profiles.map(({ name, namespace }) => ({ name, namespace })),
      })
      return 0
    }
    terminal.print(`${positionals[1]} is a card of yours`)
    const [first, ...others] = nextCommands(profiles)
    terminal.hint(`put it into the Pi, wait until it has booted, then: ${first}`)
    for (const next of others) terminal.hint(`and ${next}`)
    terminal.hint('ADDRESS is usb: for a dongle, https://HOST:8443 for a box on the LAN')
    return 0
  },
}

/** The claim secret goes through a pipe, so it is on no disk of this machine but in the enrolment. */
async function handOver(card: Card, args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  let isWritten = false
  try {
    const status = await runBuilder([...args, '--provision-fd', `${HANDED_FD}`], card.provisionJson)
    isWritten = status === 0
    return status
  } finally {
    // An enrolment with a device that will never be would be in the way of the next try.
    if (!isWritten) await discardCard(card, env)
  }
}

/** @throws UsageError where the enrolment would be root's, and the person not find it */
function assertOwnHome({ env }: Surroundings): void {
  if (process.getuid?.() !== 0 || !env.SUDO_USER || env.CLAVIGER_HOME) return
  throw new UsageError(
    'with sudo, the enrolment of the administrator would be kept by root',
    'without it, make the card yours first: sudo chown "$USER" CARD; or name a directory with CLAVIGER_HOME',
  )
}

function argumentsOf(options: Readonly<Record<string, string | boolean | string[] | undefined>>): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    if (value === true) return [`--${name}`]
    return [value ?? []].flat().map(each => `--${name}=${each}`)
  })
}
