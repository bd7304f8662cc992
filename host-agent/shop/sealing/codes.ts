/** Why a row stayed as it was. Each is counted in the report, with the keys of the first rows. */
export const ROW_FAULTS = {
  'bad-token': 'it begins like a token and is none',
  'other-key': 'it is a token of another key',
  mixed: 'some of it is sealed, and some was written since',
  occupied: 'the column for the token holds something else',
  refused: 'it is not what its type takes',
  'too-long': 'it is too long to be sealed',
  unsealable: 'it cannot be sealed',
  'not-rewrapped': 'the device does not seal it again',
  changing: 'it changed each time that it was read',
} as const

export type RowFault = keyof typeof ROW_FAULTS
