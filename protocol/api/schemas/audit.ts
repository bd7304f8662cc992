/** Schemas of the routes about the audit log. */
import Type, { type Static } from 'typebox'
import { MINE_LOOKS_AT, MINE_OLDER } from '../routes.ts'
import { Count, closed } from './common.ts'

const Proof = Type.Array(Type.String({ description: 'a hash, base64url' }), { maxItems: 128 })
export const CheckpointAnswer = Type.Object(
  {
    checkpoint: Type.Union([Type.String({ description: 'a signed note' }), Type.Null()]),
    logKey: Type.String(),
  },
  { ...closed, description: 'null: nothing was signed yet' },
)
export type CheckpointAnswer = Static<typeof CheckpointAnswer>
export const ConsistencyBody = Type.Object({ from: Count, to: Count }, closed)
export type ConsistencyBody = Static<typeof ConsistencyBody>
export const ConsistencyAnswer = Type.Object({ proof: Proof }, closed)
export type ConsistencyAnswer = Static<typeof ConsistencyAnswer>
export const InclusionBody = Type.Object({ index: Count, size: Count }, closed)
export type InclusionBody = Static<typeof InclusionBody>
export const InclusionAnswer = Type.Object({ entry: Type.String(), proof: Proof }, closed)
export type InclusionAnswer = Static<typeof InclusionAnswer>
export const EntriesBody = Type.Object(
  { from: Count, limit: Type.Integer({ minimum: 1, maximum: 4096 }) },
  { ...closed, description: 'fewer may be answered than asked for' },
)
export type EntriesBody = Static<typeof EntriesBody>
export const EntriesAnswer = Type.Object(
  {
    entries: Type.Array(Type.String({ description: 'the line of an entry' })),
    leaves: Type.String({ description: 'their leaf hashes as they were written, 32 bytes each, base64url' }),
    oldest: Count,
    size: Count,
    dropped: Type.Array(Type.String(), {
      description:
        'hashes of the complete subtrees over the entries before the oldest, left to right, base64url',
    }),
  },
  closed,
)
export type EntriesAnswer = Static<typeof EntriesAnswer>
export const MineBody = Type.Object(
  {
    since: Type.Integer({
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description: 'ms since 1970; entries of an earlier time are left out',
    }),
    limit: Type.Integer({ minimum: 1, maximum: 1000 }),
  },
  { ...closed, description: 'fewer may be answered than asked for' },
)
export type MineBody = Static<typeof MineBody>
export const MineAnswer = Type.Object(
  {
    entries: Type.Array(Type.String({ description: 'the line of an entry' }), {
      description: 'newest first; without alarms, which are for those who watch',
    }),
    complete: Type.Boolean({
      description:
        `false: there may be more. The newest ${MINE_LOOKS_AT.entries} entries of all agents are looked at, ` +
        `${MINE_LOOKS_AT.bytes / 1_048_576} MiB of them at most, until ${MINE_OLDER} in a row are of a time before since`,
    }),
  },
  closed,
)
export type MineAnswer = Static<typeof MineAnswer>
export const ArchiveBody = Type.Object(
  {
    before: Count,
    checkpoint: Type.String({ maxLength: 1024, description: 'the one that the export was verified against' }),
  },
  closed,
)
export type ArchiveBody = Static<typeof ArchiveBody>
export const ArchiveAnswer = Type.Object({ oldest: Count, size: Count }, closed)
export type ArchiveAnswer = Static<typeof ArchiveAnswer>
