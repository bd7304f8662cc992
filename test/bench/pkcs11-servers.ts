/** What the figures of PKCS#11 call: SoftHSM2 with one RSA key, and the same key behind an appliance and `claviger pkcs11`. */
import { spawn, spawnSync } from 'node:child_process'
import type { KeyObject } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { handIn } from '../../host-agent/client/hand-in.ts'
import { writeProfile } from '../../host-agent/client/profile.ts'
import { flashCard, PIN, startProcesses, WIDE } from '../support/appliance.ts'
import { bareNode } from '../support/environment.ts'

const CLI = fileURLToPath(new URL('../../host-agent/cli/claviger.mjs', import.meta.url))
export const SOFTHSM = '/usr/lib/softhsm/libsofthsm2.so'
/** Labels of the tokens: SoftHSM2's, and ours, which is a purpose. */
export const TOKENS = { softhsm: 'bench', ours: 'charge' }

/** Starts a program that listens at `path`. @returns what ends it */
async function serving(path: string, command: string, args: string[], env: NodeJS.ProcessEnv) {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: 'ignore' })
  for (let tries = 0; tries < 200; tries++) {
    const socket = connect(path)
    const isThere = await new Promise(resolve => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    })
    socket.destroy()
    if (isThere) return () => child.kill('SIGTERM')
    await sleep(50)
  }
  child.kill('SIGTERM')
  throw new Error(`${command} does not listen`)
}

function must(command: string, args: string[], env: NodeJS.ProcessEnv): void {
  const { status, stderr } = spawnSync(command, args, { env: { ...process.env, ...env }, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command}: ${stderr}`)
}

/** A token of SoftHSM2 with one key. @returns what its library is to find in the environment */
export async function softhsmToken(directory: string, key: KeyObject): Promise<{ SOFTHSM2_CONF: string }> {
  const tokens = join(directory, 'tokens')
  await mkdir(tokens)
  const env = { SOFTHSM2_CONF: join(directory, 'softhsm2.conf') }
  await writeFile(
    env.SOFTHSM2_CONF,
    `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`,
  )
  const pem = join(directory, 'key.pem')
  await writeFile(pem, key.export({ type: 'pkcs8', format: 'pem' }))
  const token = TOKENS.softhsm
  must('softhsm2-util', ['--init-token', '--free', '--label', token, '--pin', PIN, '--so-pin', PIN], env)
  must(
    'softhsm2-util',
    ['--import', pem, '--token', token, '--label', 'key', '--id', '01', '--pin', PIN],
    env,
  )
  return env
}

/** The token of {@link softhsmToken} behind p11-kit's server. */
export async function softhsm(directory: string, key: KeyObject) {
  const path = join(directory, 'hsm.sock')
  const env = await softhsmToken(directory, key)
  const args = [
    'server',
    '--foreground',
    '--provider',
    SOFTHSM,
    '--name',
    path,
    `pkcs11:token=${TOKENS.softhsm}`,
  ]
  return { path, stop: await serving(path, 'p11-kit', args, env) }
}

/** Three processes on LAN, and the server of the tokens in one of its own. */
export async function ours(directory: string, key: KeyObject) {
  const card = await flashCard(directory, '')
  const processes = await startProcesses(directory)
  const { appliance } = processes
  await appliance.provision(card)
  const admin = await appliance.connect(appliance.admin)
  const what = { name: 'old', padding: 'oaep' as const, separator: '\t', fields: ['card.number'] }
  await handIn(admin, appliance.admin, what, key.export({ type: 'pkcs8', format: 'der' }))
  const profile = await appliance.enrol('desk', 'operator', [], PIN)
  await admin.addGrant({ ...WIDE, agent: 'desk', key: 'old', purposes: [TOKENS.ours] })
  const home = join(directory, 'home')
  await writeProfile(home, profile)
  const path = join(home, 'run', 'pkcs11.sock')
  const [command, args] = bareNode(CLI, 'pkcs11', '--socket', path)
  const stop = await serving(path, command, args, { CLAVIGER_HOME: home })
  return {
    path,
    stop: async () => {
      stop()
      await appliance.close()
      await processes.stop()
    },
  }
}
