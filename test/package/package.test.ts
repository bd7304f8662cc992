/** The Debian package: built, installed on a clean Debian, used there by somebody without rights, brought up to date, and purged. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { buildDeb, bundleScripts } from '../../host-agent/package/build.ts'
import { Cache, cacheDirectory } from '../../image-build/fetch/cache.ts'
import { Progress } from '../../image-build/fetch/progress.ts'
import { isElf, readElf } from '../../image-build/tree/elf.ts'
import { unpackDeb } from '../../image-build/unpack/deb.ts'
import { formatInvitation } from '../../protocol/identity/invitation.ts'
import { unlessThere } from '../image/tools.ts'
import { flashCard, PIN, startProcesses, temporaryDirectory, WIDE } from '../support/appliance.ts'
import { makeChroot } from './chroot.ts'

t.setTimeout(240_000)
const folder = await temporaryDirectory()
t.teardown(() => folder.remove())
const root = join(folder.path, 'root')

const scripts = await bundleScripts('1.0.0')
const options = {
  time: 1_750_000_000,
  level: 1,
  cache: new Cache(cacheDirectory(process.env)),
  progress: new Progress({ write: () => true }),
  offline: false,
}
const build = (architecture: 'amd64' | 'arm64', version = '1.0.0') =>
  buildDeb(architecture, scripts, { ...options, version })
const { bytes } = await build('amd64')
const file = (name: string, content: Uint8Array) => {
  writeFileSync(join(folder.path, name), content)
  return join(folder.path, name)
}
const deb = file('claviger.deb', bytes)

t.test('When the package is built twice, then its bytes are the same', async t => {
  const again = await build('amd64')
  t.ok(bytes.equals(again.bytes))
})

t.test('When its programs are looked at, then each is for the architecture of the package', async t => {
  for (const [architecture, path] of [
    ['amd64', deb],
    ['arm64', file('arm64.deb', (await build('arm64')).bytes)],
  ] as const) {
    const files = await unpackDeb('claviger', path)
    const programs = [...files].flatMap(([name, entry]) =>
      entry.kind === 'file' && isElf(entry.bytes) ? [{ name, ...readElf(entry.bytes, architecture) }] : [],
    )
    t.strictSame(programs.map(({ name }) => name).sort(), [
      'usr/lib/claviger/native/serialport.node',
      'usr/lib/claviger/native/usb.node',
      'usr/lib/claviger/node',
    ])
    const known = /^(?:ld-linux-.*|lib(?:c|m|dl|rt|pthread|stdc\+\+|gcc_s)\.so\.\d)$/
    const others = programs.flatMap(({ needed }) => needed).filter(name => !known.test(name))
    t.strictSame(others, [], `${architecture}: linked with what the package depends on, and nothing else`)
    const owners = new Set([...files.values()].map(({ uid, gid }) => `${uid}:${gid}`))
    t.strictSame([...owners], ['0:0'])
  }
})

t.test(
  'When the manual pages are read, then the formatter has no complaint',
  { skip: unlessThere('mandoc') },
  async t => {
    for (const [path, entry] of await unpackDeb('claviger', deb)) {
      if (!/\/man1\/.*\.gz$/.test(path) || entry.kind !== 'file') continue
      const page = file('page.1.gz', entry.bytes)
      const { stdout } = spawnSync('sh', ['-c', 'zcat "$0" | mandoc -T lint -W warning', page], {
        encoding: 'utf8',
      })
      t.equal(stdout, '', path)
    }
  },
)

const isRoot = process.getuid?.() === 0
const skip = isRoot ? unlessThere('chroot', 'apt-get', 'dpkg-deb') : 'only root may change the root'
t.test(
  'When it is installed on a clean Debian, then it works for its user, and leaves nothing but what is theirs',
  { skip },
  async t => {
    makeChroot(root, join(tmpdir(), 'claviger-test-debian'))
    /** A file that is put into the root for dpkg. */
    const put = (name: string, content: Uint8Array) => {
      writeFileSync(join(root, 'tmp', name), content)
      return `/tmp/${name}`
    }
    const admin = (...args: string[]) => {
      const { status, stdout, stderr } = spawnSync('chroot', [root, ...args], {
        encoding: 'utf8',
        env: { PATH: '/usr/sbin:/usr/bin' },
      })
      return { status, stdout, stderr }
    }
    const start = (...args: string[]) =>
      // the runner's hooks go into every environment that a test gives
      spawn('env', ['-u', 'NODE_OPTIONS', 'chroot', '--userspec=1000:1000', root, ...args], {
        env: { PATH: '/usr/sbin:/usr/bin', HOME: '/srv/anna' },
        stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      })
    const anna = async (args: string[], { stdin = '', secret = '' } = {}) => {
      const child = start('claviger', ...args)
      for (const [stream, given] of [
        [child.stdin!, stdin],
        [child.stdio[3] as typeof child.stdin & object, secret && `${secret}\n`],
      ] as const) {
        stream.on('error', () => {})
        stream.end(given)
      }
      const ended = new Promise<number | null>(resolve => child.once('close', resolve))
      const [stdout, stderr, status] = await Promise.all([text(child.stdout!), text(child.stderr!), ended])
      return { status, stdout, stderr }
    }

    t.match(admin('dpkg', '-i', put('1.deb', bytes)), { status: 0 }, 'dpkg finds what it depends on')
    t.match(await anna(['--version']), { status: 0, stdout: 'claviger 1.0.0\n', stderr: '' })
    t.match(await anna(['help']), { status: 0, stderr: /\n {2}shop seal / })
    t.ok(existsSync(join(root, 'usr/share/man/man1/claviger-shop.1.gz')))
    const complete =
      'source /usr/share/bash-completion/completions/claviger; COMP_WORDS=(claviger unl); COMP_CWORD=1; _claviger; declare -p COMPREPLY'
    t.match(admin('bash', '-c', complete), { status: 0, stdout: /"unlock"/, stderr: '' })
    const unit = readFileSync(join(root, 'usr/lib/systemd/user/claviger-agent.service'), 'utf8')
    t.match(unit, /^ExecStart=\/usr\/bin\/claviger agent --never-ask$/m)

    const data = await temporaryDirectory()
    const card = await flashCard(data.path, '')
    const processes = await startProcesses(data.path)
    const { appliance } = processes
    t.teardown(async () => {
      await appliance.close()
      await processes.stop()
      await data.remove()
    })
    await appliance.provision(card)
    const owner = await appliance.connect(appliance.admin)
    const publicKey = (await owner.createKey('orders')).versions[0]!.publicKey
    const invitation = await appliance.invite('anna', 'operator')
    await owner.addGrant({ ...WIDE, agent: 'anna', key: 'orders' })
    t.match(await anna(['enrol', formatInvitation(invitation), '--pin-fd', '3'], { secret: PIN }), {
      status: 0,
    })
    await owner.lock()
    const agent = start('claviger', 'agent', '--never-ask')
    const agentEnded = new Promise(resolve => agent.once('exit', resolve))
    t.teardown(() => agent.kill('SIGKILL'))
    const isUp = await Promise.race([
      new Promise<boolean>(resolve =>
        agent.stdout!.on('data', piece => /watching USB/.test(`${piece}`) && resolve(true)),
      ),
      agentEnded.then(() => false),
    ])
    t.ok(isUp, 'the agent runs')
    t.match(await anna(['unlock', '--secret-fd', '3'], { secret: PIN }), { status: 0 })
    const place = ['--field', 'address.ship', '--record', 'orders/1']
    const sealed = await anna(['seal', '--public-key', publicKey, ...place], { stdin: 'Storgatan 12' })
    t.match(sealed, { status: 0, stdout: /^clv1\./ })
    t.match(await anna(['open', '--purpose', 'ship', ...place], { stdin: sealed.stdout }), {
      status: 0,
      stdout: 'Storgatan 12\n',
    })
    agent.kill('SIGTERM')
    t.equal(await agentEnded, 0)

    const newer = await build('amd64', '1.0.1')
    t.notOk(bytes.equals(newer.bytes), 'another version is another package')
    t.match(admin('dpkg', '-i', put('2.deb', newer.bytes)), { status: 0 }, 'a newer version goes over it')
    t.equal(admin('dpkg-query', '-W', 'claviger').stdout, 'claviger\t1.0.1\n')
    t.match(await anna(['status', '--json']), { status: 0 })
    t.match(admin('dpkg', '--remove', 'claviger'), { status: 0 })
    t.match(admin('dpkg', '--purge', 'claviger'), { status: /^[01]$/ })
    const left = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
      path => path.includes('claviger') && !path.startsWith('proc/'),
    )
    t.ok(left.includes('srv/anna/.config/claviger/anna.json'), 'the enrolment stays')
    t.strictSame(
      left.filter(path => !path.startsWith('srv/anna/')),
      [],
    )
  },
)
