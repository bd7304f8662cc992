/** The numbers of PKCS#11 that are used here (OASIS PKCS #11 v3.1, "PKCS #11 Cryptographic Token Interface Base Specification"). */

/** Return values. */
export const CKR = {
  OK: 0x0,
  SLOT_ID_INVALID: 0x3,
  GENERAL_ERROR: 0x5,
  ARGUMENTS_BAD: 0x7,
  ATTRIBUTE_SENSITIVE: 0x11,
  ATTRIBUTE_TYPE_INVALID: 0x12,
  DEVICE_ERROR: 0x30,
  DEVICE_MEMORY: 0x31,
  DEVICE_REMOVED: 0x32,
  ENCRYPTED_DATA_INVALID: 0x40,
  ENCRYPTED_DATA_LEN_RANGE: 0x41,
  FUNCTION_CANCELED: 0x50,
  FUNCTION_NOT_SUPPORTED: 0x54,
  KEY_HANDLE_INVALID: 0x60,
  KEY_TYPE_INCONSISTENT: 0x63,
  KEY_FUNCTION_NOT_PERMITTED: 0x68,
  MECHANISM_INVALID: 0x70,
  MECHANISM_PARAM_INVALID: 0x71,
  OBJECT_HANDLE_INVALID: 0x82,
  OPERATION_ACTIVE: 0x90,
  OPERATION_NOT_INITIALIZED: 0x91,
  PIN_INCORRECT: 0xa0,
  PIN_LOCKED: 0xa4,
  SESSION_COUNT: 0xb1,
  SESSION_HANDLE_INVALID: 0xb3,
  SESSION_PARALLEL_NOT_SUPPORTED: 0xb4,
  TEMPLATE_INCONSISTENT: 0xd1,
  TOKEN_NOT_PRESENT: 0xe0,
  TOKEN_WRITE_PROTECTED: 0xe2,
  USER_ALREADY_LOGGED_IN: 0x100,
  USER_NOT_LOGGED_IN: 0x101,
  USER_PIN_NOT_INITIALIZED: 0x102,
  USER_TYPE_INVALID: 0x103,
  CRYPTOKI_NOT_INITIALIZED: 0x190,
  CRYPTOKI_ALREADY_INITIALIZED: 0x191,
  FUNCTION_REJECTED: 0x200,
} as const

/** Classes of objects. */
export const CKO = { PUBLIC_KEY: 2, PRIVATE_KEY: 3, SECRET_KEY: 4 } as const

/** Types of keys. */
export const CKK = { RSA: 0, EC: 3, GENERIC_SECRET: 0x10, AES: 0x1f, EC_MONTGOMERY: 0x41 } as const

/** Mechanisms, and what belongs to their parameters. */
export const CKM = {
  RSA_PKCS: 1,
  RSA_PKCS_OAEP: 9,
  SHA_1: 0x220,
  SHA256: 0x250,
  ECDH1_DERIVE: 0x1050,
} as const
export const CKG = { MGF1_SHA1: 1, MGF1_SHA256: 2 } as const
export const CKZ_DATA_SPECIFIED = 1
export const CKD_NULL = 1

/** Attributes. */
export const CKA = {
  CLASS: 0x0,
  TOKEN: 0x1,
  PRIVATE: 0x2,
  LABEL: 0x3,
  VALUE: 0x11,
  KEY_TYPE: 0x100,
  SUBJECT: 0x101,
  ID: 0x102,
  SENSITIVE: 0x103,
  ENCRYPT: 0x104,
  DECRYPT: 0x105,
  WRAP: 0x106,
  UNWRAP: 0x107,
  SIGN: 0x108,
  SIGN_RECOVER: 0x109,
  VERIFY: 0x10a,
  VERIFY_RECOVER: 0x10b,
  DERIVE: 0x10c,
  START_DATE: 0x110,
  END_DATE: 0x111,
  MODULUS: 0x120,
  MODULUS_BITS: 0x121,
  PUBLIC_EXPONENT: 0x122,
  PRIVATE_EXPONENT: 0x123,
  PRIME_1: 0x124,
  COEFFICIENT: 0x128,
  PUBLIC_KEY_INFO: 0x129,
  VALUE_LEN: 0x161,
  EXTRACTABLE: 0x162,
  LOCAL: 0x163,
  NEVER_EXTRACTABLE: 0x164,
  ALWAYS_SENSITIVE: 0x165,
  MODIFIABLE: 0x170,
  EC_PARAMS: 0x180,
  EC_POINT: 0x181,
  ALWAYS_AUTHENTICATE: 0x202,
  WRAP_TEMPLATE: 0x40000211,
  UNWRAP_TEMPLATE: 0x40000212,
  DERIVE_TEMPLATE: 0x40000213,
  ALLOWED_MECHANISMS: 0x40000600,
} as const

/** Flags, each of the structure that its first word names. */
export const CKF = {
  SLOT_TOKEN_PRESENT: 0x1,
  SLOT_REMOVABLE_DEVICE: 0x2,
  TOKEN_WRITE_PROTECTED: 0x2,
  TOKEN_LOGIN_REQUIRED: 0x4,
  TOKEN_USER_PIN_INITIALIZED: 0x8,
  TOKEN_INITIALIZED: 0x400,
  SESSION_RW: 0x2,
  SESSION_SERIAL: 0x4,
  MECHANISM_HW: 0x1,
  MECHANISM_DECRYPT: 0x200,
  MECHANISM_DERIVE: 0x80000,
  MECHANISM_EC_F_P: 0x100000,
} as const

/** States of a session. */
export const CKS = { RO_PUBLIC: 0, RO_USER: 1, RW_PUBLIC: 2, RW_USER: 3 } as const

/** Types of users. */
export const CKU = { USER: 1, CONTEXT_SPECIFIC: 2 } as const

/** A refusal with one of {@link CKR}. */
export class Refusal extends Error {
  readonly rv: number
  constructor(rv: number) {
    super(`refused with ${rv}`)
    this.rv = rv
  }
}

/** @throws Refusal always */
export function refuse(rv: number): never {
  throw new Refusal(rv)
}
