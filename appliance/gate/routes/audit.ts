/** Routes about the audit log. Hashes travel as base64url. */
import type {
  ArchiveBody,
  ConsistencyBody,
  EntriesBody,
  InclusionBody,
  MineBody,
} from '../../../protocol/api/schemas.ts'
import { toBase64url } from '../../../protocol/bytes.ts'
import type { Gate } from '../app.ts'

export function auditRoutes({ keeper, mount }: Gate): void {
  mount('auditCheckpoint', async (_request, caller) => {
    const { checkpoint, logKey } = await keeper.call('auditCheckpoint', caller, {})
    return { checkpoint: checkpoint || null, logKey }
  })
  mount('auditConsistency', async (request, caller) => {
    const proof = await keeper.call('auditConsistency', caller, request.body as ConsistencyBody)
    return { proof: proof.map(toBase64url) }
  })
  mount('auditInclusion', async (request, caller) => {
    const { entry, proof } = await keeper.call('auditInclusion', caller, request.body as InclusionBody)
    return { entry, proof: proof.map(toBase64url) }
  })
  mount('auditEntries', async (request, caller) => {
    const { dropped, leaves, ...rest } = await keeper.call(
      'auditEntries',
      caller,
      request.body as EntriesBody,
    )
    return { ...rest, leaves: toBase64url(leaves), dropped: dropped.map(toBase64url) }
  })
  mount('auditMine', (request, caller) => keeper.call('auditMine', caller, request.body as MineBody))
  mount('auditArchive', (request, caller) => keeper.call('auditArchive', caller, request.body as ArchiveBody))
}
