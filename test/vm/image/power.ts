/**
 * Power cuts under work. The machine is halted at a random moment and its card copied as it is, which is what a plug that is
 * pulled leaves; the copy is mended as the first root would (e2fsck -p) and opened by the same appliance on this computer.
 * At the end the machine is killed for real and started again.
 */
import { spawnSync } from 'node:child_process'
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import type { Appliance } from '../../../host-agent/client/appliance.ts'
import { sealer } from '../../../host-agent/seal/seal.ts'
import { PARTITIONS } from '../../../image-build/disk/layout.ts'
import { SECTOR } from '../../../image-build/disk/mbr.ts'
import { CARD, one, PLACE } from '../../behaviour/suite.ts'
import { PIN, startProcesses, TestAppliance } from '../../support/appliance.ts'
import { figure } from '../guest/figures.ts'
import type { Device } from './site.ts'

const CUTS = 20
const MIB = 1_048_576

/** What was acknowledged. */
interface Acknowledged {
  keys: number
  index: number
}

export async function powerCuts(
  t: Test,
  device: Device,
  appliance: TestAppliance,
  passphrase: string,
): Promise<void> {
  const admin = await appliance.connect(appliance.admin, { retryFor: 0 })
  const key = await admin.createKey('cut')
  const till = await appliance.connect(await appliance.enrol('cut-till', 'operator', ['cut'], PIN), {
    retryFor: 0,
  })
  const body = one(sealer(key.versions[0]!.publicKey)(PLACE, CARD))
  const done: Acknowledged = { keys: 0, index: 0 }
  let working = true
  const work = async (run: () => Promise<void>) => {
    while (working) await run().catch(() => sleep(50))
  }
  const workers = [
    work(async () => {
      await admin.createKey(`cut-${done.keys}`)
      done.keys++
    }),
    work(async () => {
      done.index = Math.max(done.index, (await till.decrypt(body)).audit.index)
    }),
  ]

  await t.test(
    `When the power is cut ${CUTS} times under work, then all that was acknowledged is there`,
    async t => {
      for (let i = 0; i < CUTS; i++) {
        await sleep(Math.random() * 1500)
        await device.machine.monitor('stop')
        const acknowledged = { ...done }
        const partition = await copyData(device)
        await device.machine.monitor('cont')
        await check(t, device, partition, acknowledged, appliance.admin, passphrase)
      }
      t.ok(done.keys > CUTS && done.index > CUTS, `there was work: ${JSON.stringify(done)}`)
    },
  )

  await t.test(
    'When the machine is killed and started again, then it has all that it acknowledged',
    async t => {
      const acknowledged = { ...done }
      await device.off()
      working = false
      await Promise.all(workers)
      device.on()
      figure(t, 'image-boot', await device.ready(), 's')
      const again = await appliance.connect(appliance.admin)
      t.equal((await again.status()).state, 'locked')
      await again.unlock({ passphrase })
      await complete(t, again, acknowledged)
      t.match(await till.decrypt(body), { results: [{ value: CARD }] })
    },
  )
}

/** The data partition as a file of its own; holes stay holes. */
async function copyData({ card, directory }: Device): Promise<string> {
  const path = join(directory, 'data.ext4')
  await rm(path, { force: true })
  const { start, sectors } = PARTITIONS.data
  run('dd', [
    `if=${card}`,
    `of=${path}`,
    'bs=1M',
    `skip=${(start * SECTOR) / MIB}`,
    `count=${(sectors * SECTOR) / MIB}`,
    'conv=sparse',
    'status=none',
  ])
  return path
}

function run(command: string, args: string[], worst = 0): void {
  const { status, stderr, stdout } = spawnSync(command, args, { encoding: 'utf8' })
  if (status === null || status > worst)
    throw new Error(`${command} ended with ${status}: ${stderr}${stdout}`)
}

async function check(
  t: Test,
  { directory }: Device,
  partition: string,
  acknowledged: Acknowledged,
  owner: TestAppliance['admin'],
  passphrase: string,
): Promise<void> {
  // 1: what was wrong was mended
  run('e2fsck', ['-p', partition], 1)
  const out = join(directory, 'found')
  await rm(out, { recursive: true, force: true })
  await mkdir(out)
  for (const place of ['keeper', 'gate', 'secret'])
    run('debugfs', ['-R', `rdump /${place} ${out}`, partition])
  const data = join(directory, 'again')
  await rm(data, { recursive: true, force: true })
  await cp(join(out, 'keeper'), data, { recursive: true })
  await cp(join(out, 'gate'), join(data, 'identity'), { recursive: true })
  await writeFile(join(data, 'device-secret'), await readFile(join(out, 'secret/device-secret')), {
    mode: 0o600,
  })
  const processes = await startProcesses(data)
  const appliance = new TestAppliance(processes.appliance.addresses)
  try {
    const admin = await appliance.connect({ ...owner, addresses: appliance.addresses })
    await admin.unlock({ passphrase })
    await complete(t, admin, acknowledged)
  } finally {
    await appliance.close()
    await processes.stop()
  }
}

/** Whether a device has at least what was acknowledged. */
async function complete(t: Test, admin: Appliance, { keys, index }: Acknowledged): Promise<void> {
  const names = new Set((await admin.listKeys()).keys.map(({ name }) => name))
  const lost = Array.from({ length: keys }, (_, i) => `cut-${i}`).filter(name => !names.has(name))
  t.same(lost, [], `all of ${keys} keys`)
  const { checkpoint } = await admin.auditCheckpoint()
  const size = Number(checkpoint?.split('\n')[1] ?? 0)
  t.ok(size > index, `entry ${index} is one of ${size}`)
}
