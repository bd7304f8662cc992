/** An appliance with keys for files, an operator's enrolment, and a PATH on which age finds the plugin. */
import { spawn } from 'node:child_process'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { buffer, text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { writeProfile } from '../../../host-agent/client/profile.ts'
import { AGE_FIELD } from '../../../protocol/api/routes.ts'
import { type Result, runner } from '../../cli/run.ts'
import {
  flashCard,
  PIN,
  type Processes,
  startProcesses,
  temporaryDirectory,
  WIDE,
} from '../../support/appliance.ts'
import { bareNode } from '../../support/environment.ts'
import type { Program } from './programs.ts'

const MAIN = fileURLToPath(new URL('../../../host-agent/plugins/age/main.ts', import.meta.url))

const CACHE = fileURLToPath(new URL('../../../node_modules/.cache/claviger', import.meta.url))

/** A key of each suite. */
export const KEYS = { 'files-x': 'x', 'files-p': 'p', 'files-q': 'q' } as const
export type KeyName = keyof typeof KEYS
export const OPERATOR = 'desk-1'
export const PURPOSE = 'files'

/** What came of a program. */
export interface Outcome {
  readonly status: number | null
  readonly stdout: Buffer
  readonly stderr: string
}

export interface House {
  readonly processes: Processes
  readonly home: string
  /** Runs `claviger`. */
  readonly claviger: (args: string[]) => Promise<Result>
  /** A program of age, or another one, with the plugin on its PATH. */
  readonly run: (
    program: Pick<Program, 'command' | 'before'>,
    args: string[],
    input?: Uint8Array,
  ) => Promise<Outcome>
  /** Puts another plugin where age finds it. */
  readonly usePlugin: (...words: string[]) => Promise<void>
  readonly remove: () => Promise<void>
}

/** @param plugin - command line of another one than the sources */
export async function openHouse(plugin: readonly string[] = flat(bareNode(MAIN))): Promise<House> {
  const directory = await temporaryDirectory()
  const at = (name: string) => join(directory.path, name)
  for (const name of ['device', 'home', 'bin']) await mkdir(at(name))
  const card = await flashCard(at('device'), '')
  const processes = await startProcesses(at('device'))
  const { appliance } = processes
  await appliance.provision(card)
  const admin = await appliance.connect(appliance.admin)
  await writeProfile(at('home'), appliance.admin)
  await writeProfile(at('home'), await appliance.enrol(OPERATOR, 'operator', [], PIN))
  for (const [key, suite] of Object.entries(KEYS)) {
    await admin.createKey(key, suite, 'files')
    const grant = { fields: [AGE_FIELD], purposes: [PURPOSE], reveal: ['full' as const] }
    await admin.addGrant({ ...WIDE, ...grant, agent: OPERATOR, key })
  }
  const program = join(at('bin'), 'age-plugin-claviger')
  const usePlugin = async (...words: string[]) => {
    await writeFile(program, `#!/bin/sh\nexec ${words.map(word => `'${word}'`).join(' ')} "$@"\n`)
    await chmod(program, 0o755)
  }
  await usePlugin(...plugin)
  const env = {
    ...process.env,
    CLAVIGER_HOME: at('home'),
    // as the launcher does
    NODE_COMPILE_CACHE: CACHE,
    PATH: [at('bin'), process.env.PATH].join(delimiter),
  }
  return {
    processes,
    home: at('home'),
    claviger: runner(at('home')),
    run: async ({ command, before }, args, input = new Uint8Array(0)) => {
      const child = spawn(command, [...before, ...args], { cwd: at('home'), env, detached: true })
      child.stdin.on('error', () => {})
      child.stdin.end(input)
      const ended = new Promise<number | null>(resolve => child.once('close', resolve))
      const [stdout, stderr, status] = await Promise.all([buffer(child.stdout), text(child.stderr), ended])
      return { status, stdout, stderr }
    },
    usePlugin,
    remove: async () => {
      await appliance.close()
      await processes.stop()
      await directory.remove()
    },
  }
}

function flat([command, args]: [string, string[]]): string[] {
  return [command, ...args]
}
