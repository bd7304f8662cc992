/**
 * What the plugin adds to opening a file with age: `age -d` of a megabyte through it, as the package has it, beside the same age with an
 * identity in a file.
 */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { bundleProgram } from '../../host-agent/package/bundle.ts'
import { OPERATOR, openHouse } from '../plugins/age/house.ts'
import { startAgent } from '../support/agent.ts'
import { temporaryDirectory } from '../support/appliance.ts'
import type { Figure } from './figure.ts'
import { MEMORY, median, milliseconds } from './measure.ts'

const SIZE = 1_048_576
const ROUNDS = 21
const WARM_UP = 3
const PLUGIN = 'age-plugin-claviger'
/** What a file may take: one and a half times as long as with a key in a file, and this, ms. */
const ALLOWED = { factor: 1.5, more: 150 }

/** Ms of `age -d` with a key in a file, and through the plugin, in turns. */
async function measure(key: string, withAgent: boolean): Promise<{ stock: number; plugin: number }> {
  const directory = await temporaryDirectory(MEMORY)
  const at = (name: string) => join(directory.path, name)
  for (const [path, bytes] of (await bundleProgram(PLUGIN, '0.0.0')).scripts) {
    await mkdir(dirname(at(path)), { recursive: true })
    await writeFile(at(path), bytes)
  }
  const launcher = new URL(`../../host-agent/plugins/age/${PLUGIN}.pl`, import.meta.url)
  await copyFile(launcher, at(`${PLUGIN}.pl`))
  const house = await openHouse(
    withAgent ? ['perl', at(`${PLUGIN}.pl`)] : [process.execPath, at(`${PLUGIN}.mjs`)],
  )
  const agent = withAgent ? await startAgent(house.home, [], ['--no-page', '--never-ask']) : null
  try {
    const { stdout } = await house.claviger(['age', 'identity', key, '--as', OPERATOR])
    await writeFile(at('plugin.txt'), stdout)
    await writeFile(at('stock.txt'), spawnSync('age-keygen').stdout)
    await writeFile(at('plain'), randomBytes(SIZE))
    const age = { command: 'age', before: [] }
    const run = async (args: string[]) => {
      const { status, stderr } = await house.run(age, args)
      if (status !== 0) throw new Error(stderr)
    }
    for (const name of ['stock', 'plugin'])
      await run(['-e', '-i', at(`${name}.txt`), '-o', at(`${name}.age`), at('plain')])
    const open = (name: string) => run(['-d', '-i', at(`${name}.txt`), '-o', at('out'), at(`${name}.age`)])
    const times: { stock: number[]; plugin: number[] } = { stock: [], plugin: [] }
    for (let round = -WARM_UP; round < ROUNDS; round++)
      for (const name of ['stock', 'plugin'] as const) {
        const time = await milliseconds(() => open(name))
        if (round >= 0) times[name].push(time)
      }
    if (!(await readFile(at('out'))).equals(await readFile(at('plain'))))
      throw new Error('it is another file')
    return { stock: median(times.stock), plugin: median(times.plugin) }
  } finally {
    await agent?.stop()
    await house.remove()
    await directory.remove()
  }
}

const figure = (name: string, withAgent: boolean, bar: number | null) => ({
  name,
  run: async (): Promise<Figure> => {
    const { stock, plugin } = await measure('files-x', withAgent)
    const floor = ALLOWED.factor * stock + ALLOWED.more
    return { name, value: plugin / floor, unit: '×', floor, bar, better: 'lower' }
  },
})

/** Through the agent, as on a machine where it runs; and with a Node for every file. */
export const figures: { name: string; run: () => Promise<Figure> }[] = [
  figure('age-plugin', true, 1),
  figure('age-plugin-alone', false, null),
]
