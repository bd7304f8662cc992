/**
 * A process of its own for the keystore's tests. Arguments: what to do, the directory.
 *
 * `race`: says `ready`, waits for a byte, wants the lock, says `held` or the error code, and lives on until stdin ends.
 * `die-after-counting`: unlocks with a PIN that is right, and is killed when the try is durable but not yet checked.
 */

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Keystore } from '../../appliance/keeper/keystore/keystore.ts'
import { acquireLock, linuxProcesses } from '../../appliance/keeper/keystore/lock.ts'
import { directoryStorage, type Storage } from '../../appliance/keeper/keystore/storage.ts'
import { typed } from './keystore-factors.ts'

const [task, directory = ''] = process.argv.slice(2)
const storage = directoryStorage(directory)

if (task === 'race') {
  process.stdout.write('ready\n')
  await once(process.stdin, 'data')
  try {
    await acquireLock(storage, 'default', linuxProcesses(), randomBytes)
    process.stdout.write('held\n')
  } catch (error) {
    process.stdout.write(`${(error as { code: string }).code} ${(error as Error).message}\n`)
  }
  process.stdin.resume()
  await once(process.stdin, 'end')
}

if (task === 'die-after-counting') {
  const mortal: Storage = {
    ...storage,
    async append(name, bytes) {
      await storage.append(name, bytes)
      if (bytes[bytes.length - 32] === 1) process.kill(process.pid, 'SIGKILL')
    },
  }
  const keystore = await Keystore.load({ storage: mortal, namespace: 'default' })
  await keystore.unlock('staff/till-1', [
    typed('pin', '2468'),
    { type: 'host-share', output: new Uint8Array(32).fill(1) },
  ])
  process.stdout.write('unlocked\n')
}
