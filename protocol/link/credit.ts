/**
 * How far one end may run ahead of the other, and the arithmetic of the totals that say so. docs/formats/link.md §4.
 */

/** The credit that a session starts with, bytes. */
export const START_CREDIT = 65_536

/** Bytes a peer may send beyond what was read here, once the reader has shown that it reads. */
export const WINDOW = 262_144

/** Bytes read after which new credit is worth a frame. */
export const CREDIT_STEP = 16_384

/** Totals count modulo 2^32. */
export const modulo = (n: number): number => n >>> 0
