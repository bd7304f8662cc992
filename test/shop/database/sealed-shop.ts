/** A SQLite database with sealed rows, a key file that opens them, and runs of the command: for tests of what is opened. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { changeKeyFile } from '../../../host-agent/client/sources/key-file-disk.ts'
import { createKey } from '../../../host-agent/client/sources/key-ring.ts'
import { OwnKeys } from '../../../host-agent/client/sources/own-keys.ts'
import { type Seal, sealer } from '../../../host-agent/seal/seal.ts'
import { type Input, type Result, runner } from '../../cli/run.ts'
import { type Shop, startShop } from './servers.ts'

const WORDS = 'four words in a file'

export interface SealedShop {
  readonly shop: Shop
  readonly seal: Seal
  /** Writes a mapping. @returns its path */
  mapping(tables: object): string
  /** Runs `claviger shop` with the key file as its source. */
  run(args: string[], input?: Input): Promise<Result>
}

/** @param home - folder of the key file, the mappings, and the runs */
export async function sealedShop(home: string): Promise<SealedShop> {
  const fresh = () => {
    const ring = { namespace: 'default', keys: [] }
    createKey(ring, 'orders', 'x', 1)
    return ring
  }
  const ring = await changeKeyFile(join(home, 'keys.json'), WORDS, fresh, { m: 64, t: 1, p: 1 })
  const { publicKey } = (await new OwnKeys('local', ring).listKeys())[0]!.versions[0]!
  const shop = await startShop('sqlite')
  const run = runner(home)
  let count = 0
  return {
    shop,
    seal: sealer(publicKey),
    mapping(tables) {
      const path = join(home, `${++count}.map`)
      writeFileSync(path, JSON.stringify({ database: shop.connection, publicKey, tables }))
      return path
    },
    run: (args, input = {}) =>
      run(['shop', ...args, '--source', 'local:keys.json', '--passphrase-fd', '3'], {
        secret: WORDS,
        ...input,
      }),
  }
}
