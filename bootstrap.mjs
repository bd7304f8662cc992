/**
 * Runs a script of this project on the Node that the project pins, from any Node from 20 on: installs what is missing,
 * then hands over. `node bootstrap.mjs SCRIPT [ARGUMENTS…]`.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, fstatSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(fileURLToPath(import.meta.url))
const modules = join(root, 'node_modules')
const stamp = join(modules, '.claviger-lock')

/** The Node that the lock file pins for this machine, or the running one where it is new enough. */
export function runtime() {
  const name = `node-linux-${process.arch}`
  try {
    return join(
      dirname(createRequire(join(root, 'package.json')).resolve(`${name}/package.json`)),
      'bin',
      'node',
    )
  } catch {
    const [major, minor] = process.versions.node.split('.').map(Number)
    if (major > 24 || (major === 24 && minor >= 15)) return process.execPath
    throw new Error(`claviger needs Node 24.15 or newer, or the package ${name}`)
  }
}

/** Installs the dependencies that the lock file names, unless they are there. */
export function install() {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return
  if (existsSync(join(root, 'package-lock.json')) === false) return
  process.stderr.write('claviger: installing what is missing (npm ci)\n')
  const npm = process.env.npm_execpath
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error']
  const result = npm
    ? spawnSync(process.execPath, [npm, ...args], { cwd: root, stdio: ['ignore', 2, 2] })
    : spawnSync('npm', args, { cwd: root, stdio: ['ignore', 2, 2] })
  if (result.status !== 0) {
    process.stderr.write('claviger: npm ci failed\nhint: is the npm registry reachable from here?\n')
    process.exit(1)
  }
  writeFileSync(stamp, lock)
}

/** Standard streams, and every descriptor that an option such as `--pin-fd 3` names. */
function descriptors(args) {
  const named = args.flatMap((arg, i) => {
    const [, inline] = /^--[a-z-]+-fd(?:=(\d{1,3}))?$/.exec(arg) ?? []
    const number = inline ?? (/^--[a-z-]+-fd$/.test(arg) ? args[i + 1] : undefined)
    return /^\d{1,3}$/.test(number ?? '') ? [Number(number)] : []
  })
  const stdio = ['inherit', 'inherit', 'inherit']
  for (const fd of named.filter(isOpen)) {
    while (stdio.length <= fd) stdio.push('ignore')
    stdio[fd] = fd
  }
  return stdio
}

function isOpen(fd) {
  try {
    fstatSync(fd)
    return true
  } catch {
    return false
  }
}

/** Runs a script on the pinned Node; this process lives as long and ends the same way. */
export function run(script, args) {
  const node = runtime()
  const path = [dirname(node), join(modules, '.bin'), process.env.PATH].join(delimiter)
  const env = { NODE_COMPILE_CACHE: join(modules, '.cache', 'claviger'), ...process.env, PATH: path }
  // that stripping types is experimental is nothing that whoever runs this can change
  const child = spawn(node, ['--disable-warning=ExperimentalWarning', script, ...args], {
    stdio: descriptors(args),
    env,
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.once('exit', (code, signal) => {
    process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 1)
  })
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const [script, ...args] = process.argv.slice(2)
  install()
  run(resolve(root, script), args)
}
