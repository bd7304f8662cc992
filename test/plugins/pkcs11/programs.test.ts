/**
 * Stock programs over the stock `p11-kit-client.so`: those of this machine (Debian 12), and those of Debian 13 where `CLAVIGER_TRIXIE`
 * names a directory that `trixie.sh` made, or those of another release that is in there.
 */
import { constants, createPublicKey, diffieHellman, generateKeyPairSync, publicEncrypt } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { PIN } from '../../support/appliance.ts'
import { debianVersion, noteProgram } from '../../support/compatibility.ts'
import { CARD, CLIENT, encrypt, labelOf, run, type Said, startDoor } from './support.ts'

t.setTimeout(240_000)

const IN_CI = Boolean(process.env.CI)

/** A system whose programs are run. */
interface System {
  name: string
  /** Empty for this machine. */
  root: string
}

/** Why a system's programs are left out; where CI is set, they are not. */
function lacking({ root }: System, ...programs: string[]): string | false {
  if (IN_CI) return false
  if (root !== '' && process.getuid?.() !== 0) return 'another root is for root alone'
  const missing = [CLIENT, ...programs].filter(path => !existsSync(join(root, path)))
  return missing.length > 0 && `${missing.join(', ')} is not there`
}

const here: System = { name: 'this machine', root: '' }
const trixie: System = { name: 'Debian 13', root: process.env.CLAVIGER_TRIXIE ?? '' }

for (const system of [here, trixie]) {
  const isOther = system === trixie
  const skip =
    isOther && system.root === ''
      ? !IN_CI && 'CLAVIGER_TRIXIE names no directory made by trixie.sh'
      : lacking(system, '/usr/bin/pkcs11-tool')
  await t.test(`The programs of ${system.name}`, { skip }, async t => {
    t.not(isOther && system.root, '', 'CLAVIGER_TRIXIE is set')
    await programsOf(system, t)
  })
}

async function programsOf({ root }: System, t: Test): Promise<void> {
  // as the programs see it, and as this process does
  const place = join(tmpdir(), `clv-p11-${process.pid}`)
  const inside = (name: string) => join(root === '' ? place : '/tmp', name)
  const outside = (name: string) => join(root, inside(name))
  await mkdir(outside(''), { recursive: true })
  const door = await startDoor({ directory: outside('clv-run') })
  const files = ['plain.bin', 'bound.bin', 'old.bin', 'peer.der', 'secret.bin']
  t.teardown(async () => {
    await door.stop()
    await Promise.all(files.map(name => rm(outside(name), { force: true })))
    await rm(root === '' ? place : outside('clv-run'), { recursive: true, force: true })
  })
  const env = { P11_KIT_SERVER_ADDRESS: `unix:path=${inside('clv-run/pkcs11.sock')}` }
  const runThere = (program: string, args: readonly string[], more: NodeJS.ProcessEnv = {}): Promise<Said> =>
    root === ''
      ? run(program, args, { ...env, ...more })
      : run('chroot', [root, program, ...args], { ...env, ...more, PATH: '/usr/sbin:/usr/bin' })
  const tool = (...args: string[]) => runThere('/usr/bin/pkcs11-tool', ['--module', CLIENT, ...args])
  const charge = ['--token-label', 'charge']
  const login = [...charge, '--login', '--pin', PIN]
  const idOf = (said: Said, label: string) =>
    new RegExp(`Private Key Object.*\\n(?:  .*\\n)*?  label: +${label}\\n  ID: +([\\w:]+)`).exec(
      said.stdout,
    )?.[1] ?? 'none'

  const note = (t: Test, program: string, from: string, does: string, why?: string) => {
    const version = debianVersion(from, root)
    noteProgram(t, { door: 'PKCS#11', program, version, does, ...(why === undefined ? {} : { why }) })
  }
  const byTool = (t: Test, does: string, why?: string) => note(t, 'pkcs11-tool', 'opensc', does, why)
  const byClient = (t: Test, does: string, why?: string) =>
    note(t, 'p11-kit-client.so', 'p11-kit-modules', does, why)

  const listed = await tool('-O', ...login)
  t.equal(listed.status, 0, listed.stderr)

  await t.test('When they list, then each purpose is a token with its keys', async t => {
    byTool(t, 'lists tokens with `-L`, and their keys with `-O`')
    byClient(t, 'gives programs the tokens')
    const { stdout } = await tool('-L')
    t.same(
      [...stdout.matchAll(/token label +: (.*)/g)].map(([, label]) => label),
      ['charge', 'contact', 'ship'],
    )
    const labels = (text: string, kind: string) =>
      [...text.matchAll(new RegExp(`${kind} Key Object.*\\n(?:  .*\\n)*?  label: +(.*)`, 'g'))].map(
        ([, l]) => l,
      )
    t.same(labels(listed.stdout, 'Private'), [
      'bound',
      'old/card.number',
      'old/card.expiry',
      'plain',
      'raw-p',
      'sha1',
    ])
    t.match(listed.stdout, /sensitive, always sensitive, never extractable/)
    t.same(labels((await tool('-O', ...charge)).stdout, 'Private'), [], 'without the PIN')
  })

  await t.test('When pkcs11-tool decrypts, then it is given the value', async t => {
    byTool(t, 'decrypts RSA-OAEP with SHA-256')
    byTool(t, 'decrypts RSA of PKCS#1 v1.5')
    byTool(t, 'signs', 'keys of the device do not sign')
    await writeFile(outside('plain.bin'), encrypt(door.keys.plain, CARD))
    const rsa = { key: door.keys.old, padding: constants.RSA_PKCS1_PADDING }
    await writeFile(outside('old.bin'), publicEncrypt(rsa, Buffer.from(`\t${CARD}\t737\t12/27`)))
    const decrypt = (key: string, file: string, ...how: string[]) =>
      tool(...login, '--decrypt', '--id', idOf(listed, key), '-i', inside(file), ...how)
    const oaep = ['-m', 'RSA-PKCS-OAEP', '--hash-algorithm', 'SHA256']
    t.match((await decrypt('plain', 'plain.bin', ...oaep)).stdout, CARD)
    t.match((await decrypt('old/card.expiry', 'old.bin', '-m', 'RSA-PKCS')).stdout, '12/27')
    const foreign = await decrypt('sha1', 'plain.bin', '-m', 'RSA-PKCS-OAEP', '--hash-algorithm', 'SHA-1')
    t.not(foreign.status, 0)
    t.notMatch(foreign.stdout, CARD)
    const signed = await tool(
      ...login,
      '--sign',
      '-m',
      'RSA-PKCS',
      '--id',
      idOf(listed, 'plain'),
      '-i',
      inside('old.bin'),
    )
    t.match(signed.stderr, /CKR_FUNCTION_NOT_SUPPORTED/)
  })

  await t.test('When the device is locked, then their PIN unlocks it, and a wrong one does not', async t => {
    byTool(t, 'unlocks the device with `--login`')
    await door.admin.lock()
    t.match((await tool('-O', ...charge, '--login', '--pin', '999999')).stderr, /CKR_PIN_INCORRECT/)
    t.equal((await tool('-O', ...login)).status, 0)
    t.equal((await door.admin.status()).state, 'operational')
  })

  await t.test(
    'When pkcs11-tool derives, then it is given the raw secret, unless its p11-kit is too old',
    async t => {
      const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      await writeFile(outside('peer.der'), pair.publicKey.export({ type: 'spki', format: 'der' }))
      const files = ['-i', inside('peer.der'), '-o', inside('secret.bin')]
      const said = await tool(
        ...login,
        '--derive',
        '-m',
        'ECDH1-DERIVE',
        '--id',
        idOf(listed, 'raw-p'),
        ...files,
      )
      if (root === '' && said.status !== 0) {
        t.match(said.stderr, /CKR_MECHANISM_INVALID/)
        byClient(t, 'passes ECDH1-DERIVE on', 'it does not know that mechanism')
        return
      }
      byClient(t, 'passes ECDH1-DERIVE on')
      byTool(t, 'derives raw secrets with ECDH1-DERIVE')
      t.equal(said.status, 0, said.stderr)
      const key = await tool(...charge, '-r', '--type', 'pubkey', '--label', 'raw-p')
      const publicKey = createPublicKey({
        key: Buffer.from(key.stdout, 'latin1'),
        format: 'der',
        type: 'spki',
      })
      t.same(await readFile(outside('secret.bin')), diffieHellman({ privateKey: pair.privateKey, publicKey }))
    },
  )

  if (root === '') {
    const engine = '/usr/lib/x86_64-linux-gnu/engines-3/pkcs11.so'
    const skip = existsSync(engine) ? false : 'libengine-pkcs11-openssl is not on this machine'
    await t.test('When openssl decrypts with the engine, then it is given the value', { skip }, async t => {
      note(t, 'OpenSSL’s engine of libp11', 'libengine-pkcs11-openssl', 'decrypts RSA-OAEP with SHA-256')
      const inkey = `pkcs11:token=charge;object=plain;type=private;pin-value=${PIN}`
      const said = await runThere(
        '/usr/bin/openssl',
        [
          'pkeyutl',
          '-engine',
          'pkcs11',
          '-keyform',
          'engine',
          '-inkey',
          inkey,
          '-decrypt',
          '-in',
          inside('plain.bin'),
        ].concat(['-pkeyopt', 'rsa_padding_mode:oaep', '-pkeyopt', 'rsa_oaep_md:sha256']),
        { PKCS11_MODULE_PATH: CLIENT },
      )
      t.match(said.stdout, CARD, said.stderr)
    })
    return
  }

  await t.test('When openssl decrypts with pkcs11-provider, then its label is the context', async t => {
    const byProvider = (does: string) => note(t, 'OpenSSL’s pkcs11-provider', 'pkcs11-provider', does)
    byProvider('decrypts RSA-OAEP with SHA-256')
    byProvider('decrypts RSA-OAEP with the context as its label')
    await writeFile(outside('bound.bin'), encrypt(door.keys.bound, CARD, labelOf()))
    const decrypt = (key: string, file: string, ...more: string[]) => {
      const inkey = `pkcs11:token=charge;object=${key};type=private;pin-value=${PIN}`
      const providers = ['-provider', 'pkcs11', '-provider', 'default']
      const options = ['rsa_padding_mode:oaep', 'rsa_oaep_md:sha256', ...more].flatMap(each => [
        '-pkeyopt',
        each,
      ])
      return runThere(
        '/usr/bin/openssl',
        ['pkeyutl', ...providers, '-inkey', inkey, '-decrypt', '-in', inside(file), ...options],
        { PKCS11_PROVIDER_MODULE: CLIENT },
      )
    }
    const label = (record?: string) =>
      `rsa_oaep_label:${Buffer.from(labelOf(record === undefined ? undefined : { field: 'card.number', record })).toString('hex')}`
    t.match((await decrypt('plain', 'plain.bin')).stdout, CARD)
    const bound = await decrypt('bound', 'bound.bin', label())
    t.match(bound.stdout, CARD, bound.stderr)
    const elsewhere = await decrypt('bound', 'bound.bin', label('cust_cards/43'))
    t.not(elsewhere.status, 0)
    t.notMatch(elsewhere.stdout, CARD)
  })
}
