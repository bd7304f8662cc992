/**
 * Walks docs/seal-your-shop.md as a shop's developer: every fenced command of the chapter, as it stands there, in its order, in a shell; on
 * MariaDB with its own programs, with PHP, and an appliance of three processes. Only paths and the public key are put in.
 */
import { spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { writeProfile } from '../../host-agent/client/profile.ts'
import { flashCard, startProcesses, temporaryDirectory } from '../support/appliance.ts'
import { bareNode } from '../support/environment.ts'
import { missing } from '../support/programs.ts'
import { cards, oldRows, TABLE, whyNoPhp } from './database/old-shop.ts'
import { makeCertificates, securedServer } from './database/secured-servers.ts'
import { startShop, whyNot } from './database/servers.ts'

t.setTimeout(240_000)
const path = (relative: string) => fileURLToPath(new URL(`../../${relative}`, import.meta.url))
const chapter = readFileSync(path('docs/seal-your-shop.md'), 'utf8')
const fences = [...chapter.matchAll(/^ *```(sh|sql|json|php)\n([\s\S]*?)^ *```$/gm)].map(
  ([, kind, code]) => ({
    kind: kind!,
    code: code!,
  }),
)
const PHONES = Array.from({ length: 40 }, (_, i) => `+49 30 ${9_000_000 + i * 7919}`)

const why = whyNoPhp() || whyNot('mariadb')
if (why && process.env.CI) t.fail(`${why}, and has to be where CI is set`)
t.test('When a developer does what the chapter says, then', { skip: why }, async t => {
  const [home, data] = [await temporaryDirectory(), await temporaryDirectory()]
  const card = await flashCard(data.path, '')
  const processes = await startProcesses(data.path)
  const server = await securedServer('mariadb', makeCertificates(t.testdir()))
  t.teardown(async () => {
    await processes.appliance.close()
    await processes.stop()
    await server.remove()
    await Promise.all([home.remove(), data.remove()])
  })
  await server.stop()
  await server.start(['--log-bin=shop-bin'])
  const { appliance } = processes
  await appliance.provision(card)
  const at = (name: string) => join(home.path, name)
  mkdirSync(at('.config/claviger'), { recursive: true, mode: 0o700 })
  for (const profile of [appliance.admin, await appliance.enrol('till', 'operator')])
    await writeProfile(at('.config/claviger'), profile)
  writeFileSync(at('.my.cnf'), `[client]\nsocket=${server.socket}\nuser=root\n`)
  mkdirSync(at('bin'))
  const [program, args] = bareNode(path('host-agent/cli/main.ts'))
  writeFileSync(at('bin/claviger'), `#!/bin/sh\nexec ${[program, ...args].join(' ')} "$@"\n`, { mode: 0o755 })

  await server.run(
    `CREATE TABLE customers (id int AUTO_INCREMENT PRIMARY KEY, name varchar(80), street varchar(120), zip varchar(12),
     country char(2), phone varchar(40))`,
  )
  const rows = PHONES.map(
    (phone, i) => `('Zoë O''Brien ${i}', 'Am Hügel ${i + 1}, Berlin', '10623', 'DE', '${phone}')`,
  )
  await server.run(`INSERT INTO customers (name, street, zip, country, phone) VALUES ${rows.join(', ')}`)
  const old = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  writeFileSync(at('private.pem'), old.privateKey)
  writeFileSync(at('public.pem'), old.publicKey)
  await server.run(TABLE)
  for (const statement of oldRows(at('public.pem'), 20)) await server.run(statement)

  const sh = async (command: string) => {
    const child = spawn('bash', ['-e', '-c', command], {
      cwd: home.path,
      env: {
        ...process.env,
        HOME: home.path,
        CLAVIGER_HOME: at('.config/claviger'),
        PATH: `${at('bin')}:${process.env.PATH}`,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const ended = new Promise<number | null>(resolve => child.once('close', resolve))
    const [stdout, stderr, status] = await Promise.all([text(child.stdout), text(child.stderr), ended])
    if (process.env.SHOW) t.comment(`$ ${command}${stdout}${stderr}`)
    return { status, stdout, stderr }
  }
  let next = 0
  /** The next fence of the chapter, with what is this shop's own. */
  const fence = (kind: string): string => {
    const found = fences[next++]
    if (found?.kind !== kind) throw new Error(`fence ${next} of the chapter is ${found?.kind}, not ${kind}`)
    const own = existsSync(at('orders.pub')) ? readFileSync(at('orders.pub'), 'utf8').trim() : ''
    return found.code
      .replaceAll('/run/mysqld/mysqld.sock', server.socket)
      .replaceAll('/var/lib/mysql', server.data)
      .replaceAll('clvp1:x:default:orders:1:…', own)
  }
  const count = async (where: string) =>
    Number((await server.run(`SELECT count(*) FROM customers WHERE ${where}`))[0]![0])

  await t.test('there are a backup, a key and a mapping that fits', async t => {
    t.match(await sh(fence('sh')), { status: 0, stderr: '' })
    t.match(readFileSync(at('before.sql'), 'utf8'), PHONES[7])
    t.match(await sh(fence('sh')), { status: 0, stdout: /^clvp1:x:default:orders:1:[\w-]{43}\n$/ })
    writeFileSync(at('shop.json'), fence('json'))
    t.match(await sh(fence('sh')), { status: 0, stderr: /hint: ALTER TABLE/ }, 'too narrow')
    t.match(await sh(fence('sh')), { status: 0, stdout: /customers +40 +0/ })
  })

  await t.test('the site seals, and understands both', async t => {
    writeFileSync(at('site.php'), fence('php'))
    copyFileSync(path('host-agent/seal/claviger_seal.php'), at('claviger_seal.php'))
    const script = `require "site.php"; $new = sealed_phone(41, "+49 30 111222");
      echo $new, "\\n", shown($new), "\\n", shown("+49 <30>"), "\\n", shown(null), "\\n";`
    const made = await sh(`php -r '${script}'`)
    t.match(made, {
      status: 0,
      stderr: '',
      stdout: /^clv1\.x\.orders\.1\.\S+\n\(sealed\)\n\+49 &lt;30&gt;\n\n$/,
    })
    await server.run(`INSERT INTO customers (country, phone) VALUES ('DE', '${made.stdout.split('\n')[0]}')`)
  })

  await t.test('the rows are sealed, and open', async t => {
    t.match(await sh(fence('sh')), { status: 0 })
    t.equal(readFileSync(at('values.txt'), 'utf8').trim().split('\n').length, 30)
    const sealed = await sh(fence('sh'))
    t.match(sealed, { status: 0, stdout: /customers\.phone +orders@1: 41 +0 +0/ }, sealed.stderr)
    t.equal(
      await count(
        "phone LIKE 'clv1.%' AND zip = '10623' AND street LIKE 'clv1.%' AND coalesce(name, '') = ''",
      ),
      40,
    )
    t.match(await sh(fence('sh')), { status: 0, stdout: `2,${PHONES[1]}` })
  })

  await t.test('the server keeps no value, and the backup is destroyed', async t => {
    const statements = fence('sql')
    const listed = JSON.parse((await sh('claviger shop seal shop.json --json')).stdout).lingering as {
      commands: string[]
    }[]
    const printed = listed.flatMap(({ commands }) => commands)
    t.same(statements.trim().split('\n').sort(), printed.sort(), 'they are those that the command prints')
    const look = fence('sh')
    const before = await sh(look)
    t.match(before, { status: 1, stdout: /ib_logfile0: \d+ values/ })
    writeFileSync(at('purge.sql'), statements)
    t.match(await sh('mariadb shop <purge.sql'), { status: 0, stderr: '' })
    const after = await sh(look)
    t.match(after, { status: 0, stdout: '', stderr: /none of 30 values/ }, after.stdout)
    t.match(await sh(fence('sh')), { status: 0 })
    t.notOk(existsSync(at('before.sql')) || existsSync(at('values.txt')))
  })

  await t.test('labels are printed the day after', async t => {
    const printed = await sh(fence('sh'))
    t.match(printed, { status: 0, stderr: /wrote 2 labels/ })
    t.match(readFileSync(at('labels.html'), 'utf8'), /Zoë O&#39;Brien 1/)
  })

  await t.test('cards that PHP encrypted are tokens, and open for a charge', async t => {
    writeFileSync(at('cards.json'), fence('json'))
    t.match(await sh(fence('sh')), { status: 0, stdout: /cust_cards +20 +20 +0/ })
    const [number, expiry] = cards(20)[6]!
    const opened = await sh(fence('sh'))
    t.match(opened, { status: 0, stdout: `7,${number},${expiry}` }, opened.stderr)
    t.match(opened.stdout, /old-cards .* no, deleted/)
    t.notOk(existsSync(at('private.pem')))
  })

  await t.test('a wrong mapping can be undone', async t => {
    const commands = fence('sh')
    writeFileSync(at('undo.sql'), fence('sql'))
    const undone = await sh(commands)
    t.match(undone, { status: 0 }, undone.stderr)
    const found = await server.run('SELECT phone FROM customers ORDER BY id')
    t.same(found.flat(), [...PHONES, '+49 30 111222'])
    t.notOk(existsSync(at('opened.csv')))
    t.match(await sh('claviger shop seal shop.json'), { status: 0, stdout: /customers +41 +41 +0/ })
    t.equal(next, fences.length, 'nothing of the chapter was left out')
  })
})

t.test('When it is another database, then the backups of the chapter are whole', async t => {
  const inline = (start: string) => {
    const found = chapter.match(new RegExp(`\`(${start}[^\`]+)\``))
    if (!found) throw new Error(`the chapter has no ${start}`)
    return found[1]!
  }
  const bash = async (command: string, cwd: string, env = {}) => {
    const child = spawn('bash', ['-ec', command], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const ended = new Promise<number | null>(resolve => child.once('close', resolve))
    const [stdout, stderr, status] = await Promise.all([text(child.stdout), text(child.stderr), ended])
    return { stdout, stderr, status }
  }
  const folder = t.testdir()
  const noSqlite = missing('sqlite3', '--version')
  if (noSqlite) t.pass('sqlite3', { skip: noSqlite })
  else {
    const database = new DatabaseSync(join(folder, 'shop.db'))
    database.exec(`CREATE TABLE a (phone text); INSERT INTO a VALUES ('${PHONES[0]}')`)
    t.match(await bash(inline('sqlite3'), folder), { status: 0 }, 'sqlite3')
    database.close()
    const copy = new DatabaseSync(join(folder, 'before.db'))
    t.same(Object.values(copy.prepare('SELECT phone FROM a').get()!), [PHONES[0]])
    copy.close()
  }
  const noPostgres = whyNot('postgres')
  if (noPostgres) {
    t.pass('pg_dump', { skip: noPostgres })
    return
  }
  const shop = await startShop('postgres')
  t.teardown(() => shop.stop())
  await shop.run('CREATE TABLE a (phone text)')
  await shop.run(`INSERT INTO a VALUES ('${PHONES[0]}')`)
  const env = { PGHOST: `${shop.connection.socket}`, PGUSER: 'shop' }
  t.match(await bash(inline('pg_dump'), folder, env), { status: 0 })
  t.match(await bash('pg_restore --file=- before.dump', folder), { status: 0, stdout: PHONES[0] })
})
