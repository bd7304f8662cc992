/** `claviger admin audit prove`: that one entry is in the log whose checkpoint the device has signed. */
import { openCheckpoint } from '../../../protocol/audit/checkpoint.ts'
import { leafHash, verifyInclusion } from '../../../protocol/audit/merkle.ts'
import type { Appliance } from '../../client/appliance.ts'
import { ConnectionError } from '../../client/errors.ts'
import { readHashes, readLogKey } from '../../client/witness.ts'

/** An entry that was found in the log. */
export interface Proven {
  /** The line of the entry. */
  entry: string
  /** Entries under the checkpoint. */
  size: number
  /** The signed checkpoint. */
  checkpoint: string
}

/**
 * Fetches an entry and checks that it is in the newest signed log.
 *
 * @throws ApplianceError `unknown-entry`; ConnectionError `bad-checkpoint`, `log-rolled-back` when the proof does not
 * hold
 */
export async function prove(appliance: Appliance, logKey: string, index: number): Promise<Proven> {
  const { checkpoint } = await appliance.auditCheckpoint()
  const { size, root } =
    checkpoint === null ? { size: 0, root: null } : openCheckpoint(checkpoint, readLogKey(logKey))
  if (checkpoint === null || root === null || index >= size)
    throw new ConnectionError('unknown-entry', `the signed log has ${size} entries, from 0 on`, {
      hint: 'a locked device signs nothing: newer entries are signed once it is unlocked',
    })
  const { entry, proof } = await appliance.auditInclusion({ index, size })
  const hashes = readHashes(proof)
  const leaf = leafHash(Buffer.from(entry, 'utf8'))
  if (hashes === null || !verifyInclusion({ leaf, index, size, proof: hashes, root }))
    throw new ConnectionError('log-rolled-back', `entry ${index} is not the one that was signed for`, {
      hint: 'the device shows another entry than its log holds: open nothing with it and tell an administrator',
    })
  return { entry, size, checkpoint }
}
