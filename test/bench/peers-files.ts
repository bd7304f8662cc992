/**
 * Programs that a shell starts for each secret: gpg with its agent, and age with an identity in a file, beside age through the plugin and
 * `claviger open`, both as the package has them. Each opens one card number.
 */
import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { OPERATOR } from '../plugins/age/house.ts'
import { WIDE } from '../support/appliance.ts'
import { type PackagedHouse, withPackagedHouse, writeProgram } from './age-house.ts'
import type { Figure } from './figure.ts'
import { FIELD, PURPOSE, seal } from './local-keeper.ts'
import { KEYS, withKeyring } from './peers-gpg.ts'
import { besidePeer, calling, needPrograms, SECRET, type Subject } from './peers-measure.ts'

const RECORD = 'cust_cards/42'

/** A program that prints the secret, or it is an error. */
function printing({ run }: PackagedHouse, name: string, command: string, args: string[]): Subject {
  return calling(name, async () => {
    if ((await run(command, args)).toString().trim() !== SECRET) throw new Error('this is another value')
  })
}

/** @returns what opens with an identity of age */
async function age(packaged: PackagedHouse, name: string, identity: string): Promise<Subject> {
  const { at, run } = packaged
  const sealed = at(`${name.replaceAll(/\W/g, '-')}.age`)
  await run('age', ['-e', '-i', identity, '-o', sealed, at('plain')])
  return printing(packaged, name, 'age', ['-d', '-i', identity, sealed])
}

const throughPlugin = async (packaged: PackagedHouse) =>
  age(packaged, 'age -d, through the plugin and the agent', await packaged.identity('files-x'))

/** `claviger open` of a token, over LAN. */
async function open(packaged: PackagedHouse): Promise<Subject> {
  const { appliance } = packaged.house.processes
  const admin = await appliance.connect(appliance.admin)
  const { versions } = await admin.createKey('orders')
  await admin.addGrant({ ...WIDE, agent: OPERATOR, key: 'orders', purposes: [PURPOSE] })
  const place = ['--purpose', PURPOSE, '--field', FIELD, '--record', RECORD]
  const token = seal(versions[0]!.publicKey, RECORD)
  const script = await writeProgram(packaged.at('.'), 'claviger')
  const args = [script, 'open', ...place, '--as', OPERATOR, token]
  return printing(packaged, 'claviger open', process.execPath, args)
}

async function gpg(): Promise<Figure> {
  needPrograms({ gpg: 'gnupg', 'gpg-agent': 'gnupg', age: 'age', perl: 'perl' })
  return withFiles(packaged =>
    withKeyring(async keyring => {
      const theirs = KEYS.map(({ name, user }) => {
        const sealed = packaged.at(`${user}.gpg`)
        keyring.encrypt(user, packaged.at('plain'), sealed)
        return printing(packaged, `gpg --decrypt, ${name}`, 'gpg', keyring.decrypt(sealed))
      })
      return besidePeer('peer-gpg', [...theirs, await open(packaged), await throughPlugin(packaged)])
    }),
  )
}

async function stock(): Promise<Figure> {
  needPrograms({ age: 'age', perl: 'perl' })
  return withFiles(async packaged => {
    const identity = packaged.at('stock.txt')
    await writeFile(identity, spawnSync('age-keygen').stdout)
    const theirs = await age(packaged, 'age -d, identity in a file', identity)
    return besidePeer('peer-age', [theirs, await throughPlugin(packaged)])
  })
}

/** A house, and the secret in a file. */
function withFiles<T>(use: (packaged: PackagedHouse) => Promise<T>): Promise<T> {
  return withPackagedHouse(true, async packaged => {
    await writeFile(packaged.at('plain'), SECRET)
    return use(packaged)
  })
}

export const figures: { name: string; run: () => Promise<Figure> }[] = [
  { name: 'peer-gpg', run: gpg },
  { name: 'peer-age', run: stock },
]
