/**
 * The data partition of a device that has an owner, made on this computer: the same appliance is provisioned here, and its
 * files are put where the device keeps them. For machines that nobody can talk to.
 */
import { spawnSync } from 'node:child_process'
import { chmod, cp, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PARTITIONS, STATE_SECTOR } from '../../../image-build/disk/layout.ts'
import { SECTOR } from '../../../image-build/disk/mbr.ts'
import { USERS } from '../../../image-build/tree/accounts.ts'
import { flashCard, startProcesses } from '../../support/appliance.ts'

const MADE = 'claviger-state 1\ndata=made\n'

/** Writes it onto a card that was never started. @param directory - for what is made on the way */
export async function ownData(card: string, directory: string): Promise<void> {
  const data = join(directory, 'owned')
  const tree = join(directory, 'tree')
  await mkdir(data)
  await mkdir(tree)
  const profile = await flashCard(data, '')
  const processes = await startProcesses(data)
  try {
    await processes.appliance.provision(profile)
  } finally {
    await processes.stop()
  }
  await rm(join(data, 'run'), { recursive: true })
  await mkdir(join(tree, 'secret'))
  await rename(join(data, 'device-secret'), join(tree, 'secret/device-secret'))
  await rename(join(data, 'identity'), join(tree, 'gate'))
  await rm(join(data, 'provision.json'), { force: true })
  await cp(data, join(tree, 'keeper'), { recursive: true })
  for (const place of ['secret', 'gate', 'keeper']) await chmod(join(tree, place), 0o700)

  const { start, sectors } = PARTITIONS.data
  const partition = join(directory, 'owned.ext4')
  run('mke2fs', [
    '-q',
    '-F',
    '-t',
    'ext4',
    '-L',
    'data',
    '-d',
    tree,
    partition,
    `${(sectors * SECTOR) / 1024}k`,
  ])
  const owners = [
    ...(await owner(tree, 'secret', 0)),
    ...(await owner(tree, 'gate', USERS.gate)),
    ...(await owner(tree, 'keeper', USERS.keeper)),
  ]
  await writeFile(join(directory, 'owners'), owners.map(line => `${line}\n`).join(''))
  run('debugfs', ['-w', '-f', join(directory, 'owners'), partition])
  const dd = (from: string, at: number) =>
    run('dd', [
      `if=${from}`,
      `of=${card}`,
      `bs=${SECTOR}`,
      `seek=${at}`,
      'conv=notrunc,sparse',
      'status=none',
    ])
  dd(partition, start)
  await writeFile(join(directory, 'state'), Buffer.from(MADE.padEnd(SECTOR, '\0')))
  dd(join(directory, 'state'), STATE_SECTOR)
}

/** Lines for debugfs that give a directory and all in it to a user. */
async function owner(tree: string, place: string, user: number): Promise<string[]> {
  const entries = await readdir(join(tree, place), { recursive: true })
  return [place, ...entries.map(entry => `${place}/${entry}`)].flatMap(path =>
    ['uid', 'gid'].map(field => `set_inode_field /${path} ${field} ${user}`),
  )
}

function run(command: string, args: string[]): void {
  const { status, stderr, stdout } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ended with ${status}: ${stderr}${stdout}`)
}
