/** What a running device is made of, seen from within: processes, mounts, modules, sockets, rights. docs/image.md. */
import type { Test } from 'tap'
import type { Mode } from '../../../image-build/model.ts'
import type { Device } from './site.ts'

const OURS = ['keeper', 'gate', 'health'] as const
/** Programs that run, beside our node. */
const SYSTEM: Record<Mode, readonly string[]> = {
  dongle: ['systemd', 'systemd-journald'],
  lan: ['systemd', 'systemd-journald', 'systemd-networkd', 'udevadm'],
}
/** Unloaded again once provision.json was read. */
const GONE = ['vfat', 'fat', 'nls_cp437', 'nls_ascii']
/** What the test itself brings into the machine. */
const MACHINE = /^(?:virtio|net_failover|failover|dummy_hcd|cdc_acm|usbcore|usb_common|udc_core|input_leds)/

/** Mounts that hold files of the card or of the memory: type, and options that each must have. */
const MOUNTS: Record<string, [type: string, options: readonly string[]]> = {
  '/': ['squashfs', ['ro', 'nosuid', 'nodev']],
  '/data': ['ext4', ['rw', 'nosuid', 'nodev', 'noexec']],
  '/tmp': ['tmpfs', ['rw', 'nosuid', 'nodev', 'noexec']],
  '/run': ['tmpfs', ['rw', 'nosuid', 'noexec']],
}

/** Number of a process of ours; the brackets keep the search from finding itself. */
const pid = (name: string) =>
  `$(grep -l 'claviger/[${name[0]}]${name.slice(1)}.mjs' /proc/[0-9]*/cmdline 2>/dev/null | head -n 1 | cut -d/ -f3)`

const lines = (text: string) => text.split('\n').filter(Boolean)

export async function inventory(t: Test, { machine, image }: Device, mode: Mode): Promise<void> {
  const ask = (command: string) => machine.ask(command, 120_000)

  await t.test('When its processes are listed, then each has its reason, and none is a shell', async t => {
    // kernel threads have no program, and busybox is the test's own shell
    const found = lines(
      await ask("for p in /proc/[0-9]*; do readlink $p/exe; done | sed 's|.*/||' | grep -v busybox"),
    )
    t.same([...new Set(found)].sort(), [...SYSTEM[mode], 'node'].sort())
    t.equal(found.filter(name => name === 'node').length, OURS.length)
  })

  await t.test('When its processes are looked at, then they may do nothing but their work', async t => {
    for (const name of OURS) {
      const status = await ask(`cat /proc/${pid(name)}/status`)
      for (const line of ['CapEff', 'CapPrm', 'CapBnd', 'CapAmb'])
        t.match(status, new RegExp(`${line}:\\s+0+\\n`), `${name} ${line}`)
      t.match(status, /NoNewPrivs:\s+1/, name)
      t.match(status, /Seccomp:\s+2/, name)
      t.notMatch(status, /Uid:\s+0\s/, name)
      const maps = await ask(`grep -c ' rwx' /proc/${pid(name)}/maps; true`)
      t.equal(maps, '0', `${name} has no memory that is written and executed`)
    }
  })

  await t.test('When its mounts are listed, then nothing of the card can be written but data', async t => {
    const found = new Map(
      lines(await ask('cat /proc/1/mountinfo')).map(line => {
        const [before = '', after = ''] = line.split(' - ')
        const [, , , , place = '', options = ''] = before.split(' ')
        return [place, [after.split(' ')[0]!, options.split(',')] as const]
      }),
    )
    for (const [place, [type, options]] of Object.entries(MOUNTS)) {
      t.equal(found.get(place)?.[0], type, place)
      for (const option of options) t.ok(found.get(place)?.[1].includes(option), `${place} is ${option}`)
    }
    for (const [place, [type, options]] of found)
      if (!(place in MOUNTS) && ['ext4', 'vfat', 'squashfs'].includes(type))
        t.fail(`${type} at ${place}`, { options })
  })

  await t.test(
    'When its kernel is asked, then it has the modules of the list, and takes no other',
    async t => {
      const allowed = image.manifest.files
        .flatMap(({ path }) => /^initramfs:\/modules\/(\w+)\.ko$/.exec(path)?.[1] ?? [])
        .filter(name => !GONE.includes(name))
      const loaded = lines(await ask("cut -d' ' -f1 /proc/modules")).filter(name => !MACHINE.test(name))
      t.same(
        loaded.filter(name => !allowed.includes(name)),
        [],
      )
      t.equal(await ask('cat /proc/sys/kernel/modules_disabled'), '1')
      t.match(
        await ask(
          'cat /sys/kernel/security/lockdown 2>/dev/null || mount -t securityfs s /sys/kernel/security && cat /sys/kernel/security/lockdown',
        ),
        /\[confidentiality\]/,
      )
    },
  )

  await t.test('When its sockets are listed, then it listens where it should', async t => {
    const ports = (kind: string, state: string) =>
      ask(
        `cat /proc/net/${kind} /proc/net/${kind}6 2>/dev/null | tr -s ' ' | sed 's/^ //' | grep ' ${state} ' | cut -d' ' -f2 | sed 's/.*://' | sort -u`,
      )
    t.same(lines(await ports('tcp', '0A')), mode === 'lan' ? ['20FB'] : [])
    const datagrams = lines(await ports('udp', '07'))
    t.ok(
      datagrams.every(port => mode === 'lan' && port === '0044'),
      `nothing hears datagrams but the client of DHCP: ${datagrams}`,
    )
  })

  await t.test(
    'When its files are searched, then nothing is setuid, writable by all, or a shell',
    async t => {
      const root = '/proc/1/root'
      t.equal(await ask(`find ${root}/ -xdev -type f -perm -4000 -o -xdev -type f -perm -2000`), '')
      t.equal(await ask(`find ${root}/ -xdev -type f -perm -2`), '')
      t.equal(
        await ask(
          `find ${root}/ -xdev -name sh -o -xdev -name bash -o -xdev -name dash -o -xdev -name busybox`,
        ),
        '',
      )
    },
  )
}

/** MiB of the three processes; what they share is counted once (Pss: Linux, Documentation/filesystems/proc.rst). */
export async function resident({ machine }: Device): Promise<number> {
  const said = await machine.ask(OURS.map(name => `grep ^Pss: /proc/${pid(name)}/smaps_rollup`).join('; '))
  return [...said.matchAll(/(\d+) kB/g)].reduce((sum, [, kilobytes]) => sum + Number(kilobytes) / 1024, 0)
}
