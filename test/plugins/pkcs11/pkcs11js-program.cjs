/**
 * A program of a back office that uses npm `pkcs11js` as its manual has it: finds the token of a purpose, logs in, and decrypts.
 * `node pkcs11js-program.cjs BUILT CLIENT < {token, pin, blocks: [{key, block, hash, label}]}`, all bytes base64; writes what became of each
 * as JSON.
 */
const { join } = require('node:path')
const [built, client] = process.argv.slice(2)
const pkcs11js = require(join(built, 'index.js'))
const { token, pin, blocks } = JSON.parse(require('node:fs').readFileSync(0, 'utf8'))

const HASHES = {
  SHA1: [pkcs11js.CKM_SHA_1, pkcs11js.CKG_MGF1_SHA1],
  SHA256: [pkcs11js.CKM_SHA256, pkcs11js.CKG_MGF1_SHA256],
}
const bytes = text => Buffer.from(text, 'base64')
const tried = what => {
  try {
    return what()
  } catch (error) {
    return { error: error.message }
  }
}

const pkcs11 = new pkcs11js.PKCS11()
pkcs11.load(client)
// p11-kit's client wants to be told that threads may lock
pkcs11.C_Initialize({ flags: pkcs11js.CKF_OS_LOCKING_OK })
const slots = pkcs11.C_GetSlotList(true)
const slot = slots.find(slot => pkcs11.C_GetTokenInfo(slot).label.trim() === token)
const session = pkcs11.C_OpenSession(slot, pkcs11js.CKF_SERIAL_SESSION)
const wrong = tried(() => pkcs11.C_Login(session, pkcs11js.CKU_USER, `${pin}0`))
pkcs11.C_Login(session, pkcs11js.CKU_USER, pin)

function find(key) {
  pkcs11.C_FindObjectsInit(session, [
    { type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_PRIVATE_KEY },
    { type: pkcs11js.CKA_LABEL, value: key },
  ])
  const [found] = pkcs11.C_FindObjects(session, 1)
  pkcs11.C_FindObjectsFinal(session)
  return found
}

function mechanismOf({ hash, label }) {
  if (!hash) return { mechanism: pkcs11js.CKM_RSA_PKCS }
  const [hashAlg, mgf] = HASHES[hash]
  const parameter = { type: pkcs11js.CK_PARAMS_RSA_OAEP, hashAlg, mgf, source: 1 }
  if (label) parameter.sourceData = bytes(label)
  return { mechanism: pkcs11js.CKM_RSA_PKCS_OAEP, parameter }
}

const values = blocks.map(({ key, block, ...how }) =>
  tried(() => {
    pkcs11.C_DecryptInit(session, mechanismOf(how), find(key))
    return pkcs11.C_Decrypt(session, bytes(block), Buffer.alloc(512)).toString()
  }),
)

const signed = tried(() => pkcs11.C_SignInit(session, { mechanism: pkcs11js.CKM_SHA256_RSA_PKCS }, find(blocks[0].key)))
pkcs11.C_Logout(session)
pkcs11.C_CloseSession(session)
pkcs11.C_Finalize()
process.stdout.write(JSON.stringify({ tokens: slots.length, wrong, values, signed }))
