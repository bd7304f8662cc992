/**
 * What the plugin adds to opening a file with age: `age -d` of a megabyte through it, as the package has it, beside the same age with an
 * identity in a file.
 */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { withPackagedHouse } from './age-house.ts'
import type { Figure } from './figure.ts'
import { median, milliseconds } from './measure.ts'

const SIZE = 1_048_576
const ROUNDS = 21
const WARM_UP = 3
/** What a file may take: one and a half times as long as with a key in a file, and this, ms. */
const ALLOWED = { factor: 1.5, more: 150 }

/** Ms of `age -d` with a key in a file, and through the plugin, in turns. */
function measure(key: string, withAgent: boolean): Promise<{ stock: number; plugin: number }> {
  return withPackagedHouse(withAgent, async ({ at, identity, run }) => {
    const identities = { stock: at('stock.txt'), plugin: await identity(key) }
    await writeFile(identities.stock, spawnSync('age-keygen').stdout)
    await writeFile(at('plain'), randomBytes(SIZE))
    const names = ['stock', 'plugin'] as const
    for (const name of names)
      await run('age', ['-e', '-i', identities[name], '-o', at(`${name}.age`), at('plain')])
    const open = (name: (typeof names)[number]) =>
      run('age', ['-d', '-i', identities[name], '-o', at('out'), at(`${name}.age`)])
    const times: { stock: number[]; plugin: number[] } = { stock: [], plugin: [] }
    for (let round = -WARM_UP; round < ROUNDS; round++)
      for (const name of names) {
        const time = await milliseconds(() => open(name))
        if (round >= 0) times[name].push(time)
      }
    if (!(await readFile(at('out'))).equals(await readFile(at('plain'))))
      throw new Error('it is another file')
    return { stock: median(times.stock), plugin: median(times.plugin) }
  })
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
