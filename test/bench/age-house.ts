/** A house whose programs are bundled as the package has them: the plugin that age starts, and `claviger`. */
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { bundleProgram } from '../../host-agent/package/bundle.ts'
import { type House, OPERATOR, openHouse } from '../plugins/age/house.ts'
import { startAgent } from '../support/agent.ts'
import { temporaryDirectory } from '../support/appliance.ts'
import { MEMORY } from './measure.ts'

const PLUGIN = 'age-plugin-claviger'

/** Writes one of the package's programs. @returns the path of its script */
export async function writeProgram(directory: string, name: string): Promise<string> {
  for (const [path, bytes] of (await bundleProgram(name, '0.0.0')).scripts) {
    await mkdir(dirname(join(directory, path)), { recursive: true })
    await writeFile(join(directory, path), bytes)
  }
  return join(directory, `${name}.mjs`)
}

/** What {@link withPackagedHouse} gives. */
export interface PackagedHouse {
  house: House
  /** A path in a directory that ends with the house. */
  at(name: string): string
  /** Writes the identity of a key of the house. @returns its path */
  identity(key: string): Promise<string>
  /** Runs a program with the plugin on its PATH. @throws with what it said, unless it ended with 0 */
  run(command: string, args: string[]): Promise<Buffer>
}

/** @param withAgent - one runs, and the plugin hands it what age says; otherwise each file has a Node of its own */
export async function withPackagedHouse<T>(
  withAgent: boolean,
  use: (packaged: PackagedHouse) => Promise<T>,
): Promise<T> {
  const directory = await temporaryDirectory(MEMORY)
  const at = (name: string) => join(directory.path, name)
  const script = await writeProgram(directory.path, PLUGIN)
  await copyFile(new URL(`../../host-agent/plugins/age/${PLUGIN}.pl`, import.meta.url), at(`${PLUGIN}.pl`))
  const house = await openHouse(withAgent ? ['perl', at(`${PLUGIN}.pl`)] : [process.execPath, script])
  const agent = withAgent ? await startAgent(house.home, [], ['--no-page', '--never-ask']) : null
  try {
    return await use({
      house,
      at,
      identity: async key => {
        const { stdout } = await house.claviger(['age', 'identity', key, '--as', OPERATOR])
        await writeFile(at(`${key}.txt`), stdout)
        return at(`${key}.txt`)
      },
      run: async (command, args) => {
        const { status, stdout, stderr } = await house.run({ command, before: [] }, args)
        if (status !== 0) throw new Error(`${command}: ${stderr}`)
        return stdout
      },
    })
  } finally {
    await agent?.stop()
    await house.remove()
    await directory.remove()
  }
}
