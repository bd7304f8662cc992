/** Servers that ask for a password and speak TLS: who is let in, and what is told of each way of not getting in. */
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { connect } from '../../../host-agent/shop/database/connect.ts'
import { parseMapping } from '../../../host-agent/shop/mapping/mapping.ts'
import { noteDatabase } from './noting.ts'
import {
  makeCertificates,
  PASSWORD,
  type SecuredServer,
  securedServer,
  tlsOptions,
} from './secured-servers.ts'
import { whyNot } from './servers.ts'
import { PUBLIC_KEY, Runs } from './shop.ts'

t.setTimeout(240_000)
const folder = t.testdir()
const certificates = makeCertificates(folder)
const file = (name: string, text: string, mode = 0o600) => {
  const path = join(folder, name)
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}
const passwordFile = file('password', `${PASSWORD}\n`)
const TABLES = { customers: { key: ['id'], sealed: { phone: 'phone.number' } } }
const PHONE = '+49 30 901820'

for (const kind of ['mariadb', 'postgres'] as const) {
  const why = whyNot(kind)
  if (why && process.env.CI) t.fail(`${why}, and has to be where CI is set`)
  t.test(`When ${kind} asks for a password and TLS, then`, { skip: why }, t => withServer(t, kind))
}

async function withServer(t: Test, kind: SecuredServer['kind']): Promise<void> {
  const server = await securedServer(kind, certificates)
  t.teardown(() => server.remove())
  const { authority, other } = certificates
  const right = { kind, host: '127.0.0.1', port: server.port, user: 'sealer', database: 'shop' }
  const connecting = async (connection: object, env: NodeJS.ProcessEnv = {}) => {
    const mapping = { database: { ...right, ...connection }, publicKey: PUBLIC_KEY, tables: TABLES }
    const database = await connect(parseMapping(JSON.stringify(mapping), 'shop.json').database, env)
    const rows = await database.count((await database.describe('customers'))!)
    await database.close()
    return rows
  }
  const refused = { code: 'database-failed', message: /^the database server cannot be used: / }
  const running = async (verb: string, connection: object) => {
    const runs = new Runs({ connection: { ...right, ...connection } } as never)
    t.teardown(() => runs.end())
    return runs.run([verb, runs.mapping(TABLES)])
  }
  await server.run('CREATE TABLE customers (id int PRIMARY KEY, phone varchar(200))')
  await server.run(`INSERT INTO customers VALUES (1, '${PHONE}')`)

  await t.test('with both right, rows are sealed', async t => {
    await noteDatabase(t, server, 'is reached over TLS, with a password')
    const inEnvironment = { CLAVIGER_DATABASE_PASSWORD: PASSWORD }
    t.equal(await connecting({ authority, passwordFile }), 1)
    t.equal(await connecting({ authority }, inEnvironment), 1)
    t.equal(await connecting({ authority, host: 'localhost' }, inEnvironment), 1, 'by its name')
    t.match(await running('seal', { authority, passwordFile }), { status: 0, stdout: /customers +1 +1/ })
    t.match((await server.run('SELECT phone FROM customers'))[0]![0], /^clv1\.x\.orders\.1\./)
  })

  await t.test('with a wrong password or none, it is refused, and no password is told', async t => {
    const wrong = file('wrong', 'guess-guess-guess\n')
    await t.rejects(connecting({ authority, passwordFile: wrong }), refused)
    await t.rejects(connecting({ authority }), refused)
    await t.rejects(connecting({ authority }, { CLAVIGER_DATABASE_PASSWORD: '' }), refused)
    const ran = await running('check', { authority, passwordFile: wrong })
    t.match(ran, { status: 1, stdout: '', stderr: /cannot be used: .*\n.*hint: .*password/ })
    t.notMatch(ran.stderr, /guess/)
    const started = performance.now()
    t.match(await running('check', { authority }), { status: 1, stdout: '', stderr: /cannot be used: / })
    t.ok(performance.now() - started < 30_000, 'it does not wait for the server to give up')
    const nowhere = join(folder, 'nowhere')
    await t.rejects(connecting({ authority, passwordFile: nowhere }), { message: /nowhere cannot be read/ })
  })

  await t.test('with another authority, or none, it is not taken for the server', async t => {
    await t.rejects(connecting({ authority: other, passwordFile }), refused)
    await t.rejects(connecting({ authority: passwordFile, passwordFile }), refused, 'no certificate at all')
    await t.rejects(connecting({ passwordFile }), refused, 'it lets in nobody without TLS')
    const nowhere = join(folder, 'nowhere')
    await t.rejects(connecting({ authority: nowhere, passwordFile }), { message: /nowhere cannot be read/ })
  })

  await t.test('on another machine, it is not asked without an authority', async t => {
    await t.rejects(connecting({ host: 'db.example', passwordFile }), {
      message: /database\.authority: a database on another machine is read over TLS/,
    })
  })

  await t.test('where others can read the file with the password, check says so', async t => {
    const open = file('open', `${PASSWORD}\n`, 0o644)
    const ran = await running('check', { authority, passwordFile: open })
    t.match(ran, {
      status: 0,
      stderr: /note: .*open: the password can be read by others.*\n.*hint: chmod 600/,
    })
    t.match(await running('check', { authority, passwordFile }), { status: 0, stderr: '' })
  })

  await t.test('with a certificate of another machine, it is not this one', async t => {
    await server.stop()
    await server.start(tlsOptions(server, 'elsewhere'))
    for (const host of ['127.0.0.1', 'localhost'])
      await t.rejects(connecting({ authority, passwordFile, host }), refused, host)
  })

  await t.test('without TLS, but with an authority in the mapping, it is refused', async t => {
    await server.stop()
    await server.start(kind === 'mariadb' ? ['--skip-ssl'] : [])
    await t.rejects(connecting({ authority, passwordFile }), refused)
  })
}
