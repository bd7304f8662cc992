/** Makes a key in a file and rotates it until it is killed; prints each version after it was told that it is durable. */
import { changeKeyFile } from '../../host-agent/client/sources/key-file-disk.ts'
import { createKey, rotateKey } from '../../host-agent/client/sources/key-ring.ts'

const [path = '', passphrase = '', most = '200'] = process.argv.slice(2)
const CHEAP = { m: 64, t: 1, p: 1 }

for (let i = 0; i < Number(most); i++) {
  const { keys } = await changeKeyFile(
    path,
    passphrase,
    old => {
      const ring = old ?? { namespace: 'default', keys: [] }
      if (old) rotateKey(ring, 'orders', i)
      else createKey(ring, 'orders', 'x', i)
      return ring
    },
    CHEAP,
  )
  process.stdout.write(`${keys[0]!.versions.length}\n`)
}
