/**
 * What a link counts, for `/v1/health` and for whoever wonders what is wrong with a cable. docs/formats/link.md §6.
 */

import type { DiscardReason } from './frame.ts'

/** Counters of one {@link Link}; they only grow, over all ports that were attached. */
export interface LinkCounters {
  /** Bytes read from and written to ports. */
  bytesIn: number
  bytesOut: number
  /** Well-formed frames read and frames written. */
  framesIn: number
  framesOut: number
  /** Ports attached. */
  attached: number
  /** Sessions opened by this end (host) or accepted by it (device). */
  opened: number
  /** RESET frames read and written. */
  resetsIn: number
  resetsOut: number
  /** Bytes that were not part of a frame: the sum over all discards below. */
  noiseBytes: number
  /** Discarded: not COBS. */
  badCobs: number
  /** Discarded: shorter than an empty frame. */
  short: number
  /** Discarded: the checksum is wrong (a torn frame, or noise before a frame). */
  crc: number
  /** Discarded: a kind that does not exist. */
  badKind: number
  /** Discarded: a payload or session number that the kind cannot have. */
  badPayload: number
  /** Discarded: no end within the longest frame. */
  tooLong: number
  /** HELLO of another version, or malformed. */
  badHello: number
  /** Frames that this end itself could have sent: the line echoes. */
  echoed: number
  /** Frames for a session that does not exist (any more). */
  unknownSession: number
  /** DATA beyond the credit that was given, or a CREDIT beyond the largest window. */
  creditViolations: number
  /** OPEN with the number of a living session. */
  duplicateOpens: number
  /** OPEN refused because there are too many sessions. */
  refusedOpens: number
  /** Sessions reset because a frame of theirs was lost on the line. */
  gaps: number
  /** Answers (PONG, RESET) not sent because the peer asks faster than it reads. */
  droppedAnswers: number
}

/** The counter of each reason for a discard. */
export const DISCARD_COUNTER = {
  cobs: 'badCobs',
  short: 'short',
  crc: 'crc',
  kind: 'badKind',
  payload: 'badPayload',
  'too-long': 'tooLong',
} as const satisfies Record<DiscardReason, keyof LinkCounters>

/** All counters at zero. */
export function newCounters(): LinkCounters {
  return {
    bytesIn: 0,
    bytesOut: 0,
    framesIn: 0,
    framesOut: 0,
    attached: 0,
    opened: 0,
    resetsIn: 0,
    resetsOut: 0,
    noiseBytes: 0,
    badCobs: 0,
    short: 0,
    crc: 0,
    badKind: 0,
    badPayload: 0,
    tooLong: 0,
    badHello: 0,
    echoed: 0,
    unknownSession: 0,
    creditViolations: 0,
    duplicateOpens: 0,
    refusedOpens: 0,
    gaps: 0,
    droppedAnswers: 0,
  }
}
