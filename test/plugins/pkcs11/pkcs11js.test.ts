/** npm `pkcs11js` over the stock `p11-kit-client.so`. Its native half is compiled here, once, as nothing is when packages are installed. */
import { spawnSync } from 'node:child_process'
import { constants, publicEncrypt } from 'node:crypto'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { PIN } from '../../support/appliance.ts'
import { noteProgram, npmVersion } from '../../support/compatibility.ts'
import { missing } from '../../support/programs.ts'
import { CARD, CLIENT, encrypt, labelOf, run, startDoor } from './support.ts'

t.setTimeout(240_000)

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const CACHE = join(ROOT, 'node_modules/.cache')
const PROGRAM = join(import.meta.dirname, 'pkcs11js-program.cjs')
const SOURCES = ['dl.cpp', 'common.cpp', 'main.cpp']

/** Compiles it with the headers of Node-API. @returns the directory to load it from */
async function compiled(): Promise<string> {
  const version = npmVersion('pkcs11js')
  const directory = join(CACHE, `claviger-pkcs11js-${version}-${process.arch}`)
  if (existsSync(directory)) return directory
  const source = join(ROOT, 'node_modules/pkcs11js')
  await mkdir(CACHE, { recursive: true })
  const made = await mkdtemp(join(CACHE, 'new-'))
  const release = join(made, 'build/Release')
  await mkdir(release, { recursive: true })
  await copyFile(join(source, 'index.js'), join(made, 'index.js'))
  const { status, stderr } = spawnSync(
    'g++',
    [
      ...[
        '-std=c++17',
        '-O1',
        '-shared',
        '-fPIC',
        '-DNODE_GYP_MODULE_NAME=pkcs11',
        '-DNAPI_DISABLE_CPP_EXCEPTIONS',
      ],
      ...['-I', join(ROOT, 'node_modules/node-api-headers/include'), '-I', join(source, 'includes')],
      ...SOURCES.map(name => join(source, 'src', name)),
      ...['-o', join(release, 'pkcs11.node'), '-ldl'],
    ],
    { encoding: 'utf8' },
  )
  if (status !== 0) throw new Error(`g++: ${stderr}`)
  // whoever compiled it at the same time was first
  await rename(made, directory).catch(() => rm(made, { recursive: true }))
  return directory
}

const skip =
  missing('g++', '--version') || (!process.env.CI && !existsSync(CLIENT) && `${CLIENT} is not there`)

t.test('When a program uses npm pkcs11js, then it has the keys of the device', { skip }, async t => {
  const built = await compiled()
  const door = await startDoor()
  t.teardown(() => door.stop())
  // what is seen once stays in front of programs while the device is locked
  await door.house.look()
  await door.admin.lock()
  const rsa = { key: door.keys.old, padding: constants.RSA_PKCS1_PADDING }
  const old = publicEncrypt(rsa, Buffer.from(`\t${CARD}\t737\t12/27`)).toString('base64')
  const place = Buffer.from(labelOf()).toString('base64')
  const bound = encrypt(door.keys.bound, CARD, labelOf()).toString('base64')
  const plain = encrypt(door.keys.plain, CARD).toString('base64')
  const order = {
    token: 'charge',
    pin: PIN,
    blocks: [
      { key: 'plain', block: plain, hash: 'SHA256' },
      { key: 'bound', block: bound, hash: 'SHA256', label: place },
      { key: 'old/card.expiry', block: old },
      { key: 'bound', block: bound, hash: 'SHA256' },
      { key: 'plain', block: plain, hash: 'SHA1' },
      { key: 'plain', block: bound, hash: 'SHA256' },
    ],
  }
  const env = { P11_KIT_SERVER_ADDRESS: `unix:path=${door.path}` }
  const { status, stdout, stderr } = await run(
    process.execPath,
    [PROGRAM, built, CLIENT],
    env,
    JSON.stringify(order),
  )
  t.equal(status, 0, stderr)
  const said = JSON.parse(stdout)
  const note = (does: string, why?: string) => {
    const version = npmVersion('pkcs11js')
    noteProgram(t, { door: 'PKCS#11', program: 'npm pkcs11js', version, does, ...(why ? { why } : {}) })
  }

  note('unlocks the device with `C_Login`')
  note('decrypts RSA-OAEP with SHA-256')
  note('decrypts RSA-OAEP with the context as its label')
  note('decrypts RSA of PKCS#1 v1.5')
  t.equal(said.tokens, 3)
  t.match(said.wrong, { error: 'CKR_PIN_INCORRECT' })
  t.same(said.values.slice(0, 3), [CARD, CARD, '12/27'])
  t.match(said.values.slice(3), [
    { error: 'CKR_MECHANISM_PARAM_INVALID' },
    { error: 'CKR_MECHANISM_PARAM_INVALID' },
    { error: /^CKR_/ },
  ])
  note('signs', 'keys of the device do not sign')
  t.match(said.signed, { error: 'CKR_FUNCTION_NOT_SUPPORTED' })
})
