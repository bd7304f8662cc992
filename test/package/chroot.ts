/**
 * A small clean Debian to install into: the packages that apt would install on an empty machine, unpacked, and known to dpkg as installed.
 * Their own scripts are not run. They are kept for the next time in the folder that is given.
 */
import { spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../vm/packages.ts'

/** What is used in the chroot, beside what that needs. */
const PACKAGES = [
  'dpkg',
  'bash',
  'coreutils',
  'sed',
  'grep',
  'tar',
  'gzip',
  'libc-bin',
  'diffutils',
  'libstdc++6',
  'libgcc-s1',
  'udev',
  'systemd',
]
/** What dpkg looks for before it does anything. */
const DIRECTORIES = ['var/lib/dpkg/info', 'var/lib/dpkg/updates', 'tmp', 'proc', 'dev', 'etc', 'srv/anna']
/** Links of a system whose /usr holds everything. */
const MERGED = ['bin', 'sbin', 'lib', 'lib64']

/** @throws PackageError and the like where apt does not give a package */
export function makeChroot(root: string, cache: string): void {
  for (const path of [join(cache, 'partial'), ...DIRECTORIES.map(path => join(root, path))])
    mkdirSync(path, { recursive: true })
  for (const name of MERGED) {
    mkdirSync(join(root, 'usr', name), { recursive: true })
    symlinkSync(`usr/${name}`, join(root, name))
  }
  const nothing = join(root, 'var/lib/dpkg/available')
  writeFileSync(nothing, '')
  const options = [
    `Dir::State::status=${nothing}`,
    `Dir::Cache::archives=${cache}`,
    'APT::Install-Recommends=false',
    'Debug::NoLocking=true',
    'APT::Sandbox::User=root',
  ]
  const flags = options.flatMap(option => ['-o', option])
  run('apt-get', [...flags, '--download-only', '-y', '-qq', 'install', ...PACKAGES])
  const plan = run('apt-get', [...flags, '--simulate', '-qq', 'install', ...PACKAGES])
  const wanted = new Set(
    [...plan.matchAll(/^Inst (\S+) \((\S+)/gm)].map(
      ([, name, version]) => `${name}_${version!.replaceAll(':', '%3a')}_`,
    ),
  )
  const status = join(root, 'var/lib/dpkg/status')
  writeFileSync(status, '')
  for (const file of readdirSync(cache).sort()) {
    if (![...wanted].some(start => file.startsWith(start))) continue
    const archive = join(cache, file)
    // through tar, which writes into the merged folders instead of replacing their links
    const { status: ended } = spawnSync('sh', [
      '-c',
      'dpkg-deb --fsys-tarfile "$0" | tar -x -C "$1" --keep-directory-symlink',
      archive,
      root,
    ])
    if (ended !== 0) throw new Error(`${file} cannot be unpacked`)
    const control = run('dpkg-deb', ['--field', archive]).trimEnd()
    const name = /^Package: (.*)$/m.exec(control)![1]
    appendFileSync(
      status,
      `${control.replace(/^Package: .*$/m, line => `${line}\nStatus: install ok installed`)}\n\n`,
    )
    writeFileSync(join(root, `var/lib/dpkg/info/${name}.list`), '')
  }
  // dash makes its link in a script
  if (!existsSync(join(root, 'usr/bin/sh'))) symlinkSync('bash', join(root, 'usr/bin/sh'))
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\nanna:x:1000:1000::/srv/anna:/bin/sh\n')
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nanna:x:1000:\n')
  for (const [name, minor] of [
    ['null', '3'],
    ['urandom', '9'],
  ] as const)
    run('mknod', ['-m', '666', join(root, 'dev', name), 'c', '1', minor])
  run('chown', ['1000:1000', join(root, 'srv/anna')])
}
