/** Who holds a terminal: real programs on a real one, and what a strange `/proc` may do. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { basename, join } from 'node:path'
import t from 'tap'
import { openSerialPair, type SerialPair } from '../../host-agent/cli/demo/serial-pair.ts'
import { portHolders } from '../../host-agent/client/usb/holder.ts'
import { temporaryDirectory } from '../support/appliance.ts'
import { bareNode } from '../support/environment.ts'

const skip = process.platform !== 'linux' && 'only Linux tells who holds a terminal'

/** Resolves when the program has written a line, which is after it opened what it holds. */
async function ready(child: ChildProcess): Promise<void> {
  await once(child.stdout!, 'data')
}

t.test(
  'When programs hold a terminal, then each is named, by any name of the terminal',
  { skip },
  async t => {
    const directory = await temporaryDirectory()
    t.teardown(directory.remove)
    const pair: SerialPair = await openSerialPair({ dir: directory.path })
    t.teardown(pair.close)
    t.not(pair.tool, 'stream', 'there is a tool that makes terminals')
    const link = join(directory.path, 'claviger-0a1b2c3d4e5f6071')
    symlinkSync(pair.host, link)
    const terminal = await realpath(pair.host)
    const before = await portHolders(terminal)
    const others = (await portHolders(link)).filter(({ pid }) => !before.some(one => one.pid === pid))
    t.strictSame(others, [])

    const script = join(directory.path, 'probe.mjs')
    writeFileSync(
      script,
      `import { openSync } from 'node:fs'; openSync(process.argv[2], 'r+'); console.log(1)
    setInterval(() => {}, 1000)`,
    )
    const [command, args] = bareNode(script, link, '--token=not-for-others')
    const children = [
      spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] }),
      spawn('sh', ['-c', 'exec 3<>"$0"; echo; read -r _', link], { stdio: ['pipe', 'pipe', 'inherit'] }),
    ]
    t.teardown(() => children.map(child => child.kill('SIGKILL')))
    await Promise.all(children.map(ready))
    const expected = [
      { pid: children[0]!.pid, command: `${basename(process.execPath)} probe.mjs` },
      { pid: children[1]!.pid, command: 'sh' },
    ]
    for (const name of [terminal, pair.host, link]) {
      const found = await portHolders(name)
      for (const { pid, command } of expected)
        t.strictSame(
          found.filter(one => one.pid === pid),
          [{ pid, command }],
          name,
        )
    }
  },
)

t.test('When a terminal is held by nobody, or is none, then the list is empty', { skip }, async t => {
  for (const path of ['/nonexistent', '', '/dev/\0', t.testdir({})]) t.strictSame(await portHolders(path), [])
  t.strictSame(await portHolders('/dev/null', { proc: '/nonexistent' }), [])
  t.strictSame(await portHolders('/dev/null', { within: -1 }), [], 'no time')
})

t.test(
  'When a process list is strange, then what is told of it is short and printable',
  { skip },
  async t => {
    const proc = t.testdir({})
    const terminal = join(proc, 'terminal')
    writeFileSync(terminal, '')
    const lay = (pid: number | string, fds: number, files: Record<string, string>, held = terminal) => {
      mkdirSync(join(proc, String(pid), 'fd'), { recursive: true })
      for (const [name, text] of Object.entries(files)) writeFileSync(join(proc, String(pid), name), text)
      for (let fd = 0; fd < fds; fd++) symlinkSync('/dev/null', join(proc, String(pid), 'fd', String(fd)))
      symlinkSync(held, join(proc, String(pid), 'fd', String(fds)))
    }
    lay(1, 0, { cmdline: '/usr/sbin/ModemManager\0--debug\0', comm: 'ModemManager\n' })
    lay(2, 3000, { cmdline: '/usr/bin/python3.11\0/home/me/term.py\0--password=x\0', comm: 'python3\n' })
    lay(3, 0, { cmdline: '/usr/bin/python3\0-c\0secret\0', comm: 'python3\n' })
    lay(4, 0, { cmdline: `\x1b]0;x\x07${'y'.repeat(9000)}\0`, comm: 'y\n' })
    lay(5, 0, { cmdline: '', comm: 'kworker\n' })
    lay(6, 0, {})
    lay(7, 0, { comm: 'other\n' }, `${terminal}.other`)
    lay(8, 0, { comm: 'unplugged\n' }, `${terminal} (deleted)`)
    lay('self', 0, { comm: 'self\n' })
    const told = await portHolders(terminal, { proc, within: 60_000 })
    t.strictSame(
      told.sort((a, b) => a.pid - b.pid),
      [
        { pid: 1, command: 'ModemManager' },
        { pid: 2, command: 'python3.11 term.py' },
        { pid: 3, command: 'python3' },
        { pid: 4, command: `]0;x ${'y'.repeat(59)}` },
        { pid: 5, command: 'kworker' },
        { pid: 6, command: 'a program without a name' },
      ],
    )
    for (let pid = 100; pid < 140; pid++) lay(pid, 0, {})
    t.equal((await portHolders(terminal, { proc, within: 60_000 })).length, 16)
  },
)
