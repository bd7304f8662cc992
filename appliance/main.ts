/**
 * `claviger-appliance`: keeper, gate and health together, on a developer's machine. On the Pi systemd runs each one
 * under its own user.
 */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Supervised, type Unit } from './supervisor.ts'

const USAGE = `claviger-appliance --data DIR [--network FILE | --lan HOST:PORT] [--serial TTY]
claviger-appliance firewall --network FILE

  --data DIR        where keystore, identity and sockets live; made if missing
  --network FILE    network.json: answer HTTPS on the interfaces that it names, to their own subnets only
  --lan HOST:PORT   on a developer's machine: answer there, such as 127.0.0.1:8443 (port 0: any free one)
  --serial TTY      speak the link on this serial line, such as /dev/ttyGS0
  --led DIR         show the state with this light, such as /sys/class/leds/ACT
  --button PATH     lock down, and confirm requests, with this button, such as /dev/input/event0
  --provision FILE  provision.json of a device that is not provisioned yet
  --accept-generation NAMESPACE=N   take an older keystore than the log has seen

  firewall          print the rules for nftables that belong to FILE
`

const script = (path: string) => fileURLToPath(new URL(path, import.meta.url))

const options = {
  data: { type: 'string' },
  network: { type: 'string' },
  lan: { type: 'string' },
  serial: { type: 'string' },
  led: { type: 'string' },
  button: { type: 'string' },
  provision: { type: 'string' },
  'accept-generation': { type: 'string', multiple: true },
  'argon2-memory': { type: 'string' },
  'free-refusals': { type: 'string' },
  help: { type: 'boolean' },
} as const

function usage(message: string): never {
  process.stderr.write(`claviger-appliance: ${message}\n${USAGE}`)
  process.exit(2)
}

/** Prints the rules, or only says what is wrong with the file. @returns the exit status */
function firewall(args: string[], print: boolean): number {
  const printer = [script('./network/firewall-command.ts'), ...args]
  const stdio = ['ignore', print ? 'inherit' : 'ignore', 'inherit'] as const
  return spawnSync(process.execPath, printer, { stdio: [...stdio] }).status ?? 1
}

if (process.argv[2] === 'firewall') process.exit(firewall(process.argv.slice(3), true))

function readOptions() {
  try {
    return parseArgs({ options }).values
  } catch (error) {
    return usage((error as Error).message)
  }
}

const values = readOptions()
if (values.help) {
  process.stdout.write(USAGE)
  process.exit(0)
}
if (!values.data) usage('--data is needed')
if (!values.network && !values.lan && !values.serial) usage('--network, --lan or --serial is needed')
if (values.network && values.lan) usage('--network and --lan exclude each other')

// The gate would say so too, again and again.
if (values.network && firewall(['--network', values.network], false) !== 0) process.exit(1)

const data = resolve(values.data)
const run = join(data, 'run')
const provision = values.provision ? resolve(values.provision) : join(data, 'provision.json')
const deviceSecret = join(data, 'device-secret')
for (const directory of [data, run]) await mkdir(directory, { recursive: true, mode: 0o700 })
// On the Pi this is a systemd credential; here it is a file beside the keystore.
await writeFile(deviceSecret, randomBytes(32), { flag: 'wx', mode: 0o600 }).catch(error => {
  if (error.code !== 'EEXIST') throw error
})

const sockets = { keeper: join(run, 'keeper.sock'), health: join(run, 'health.sock') }
/** Stripped and compiled code is kept beside the packages: a second start takes half the time and half the memory. */
const env = { ...process.env, NODE_COMPILE_CACHE: script('../node_modules/.cache/claviger') }
// The keeper opens batches on its own thread and on the pool: together they are as many as there are cores.
const keeperEnv = { ...env, UV_THREADPOOL_SIZE: String(Math.max(1, availableParallelism() - 1)) }
/** The optimising compilers cost the keeper 10 MiB as soon as they are used; it turns them on once it is busy. */
const SMALL = ['--no-opt', '--no-maglev', '--max-semi-space-size=2']
/** With the defaults, a flood of connections makes the gate's heap three times as large before anything is collected. */
const TIDY = ['--max-semi-space-size=4', '--heap-growing-percent=30']
const option = (name: string, value: string | undefined) => (value ? [`--${name}`, value] : [])

let lan = values.lan
let ready = 0
let state = ''
/** Says each thing once it is so; the last line says that everything is up. */
function announce(line: string): void {
  process.stdout.write(`claviger-appliance: ${line}\n`)
}
function oneReady(): void {
  if (++ready === 3) announce(`ready, ${state}`)
}

const units: Omit<Unit, 'onStart'>[] = [
  {
    name: 'keeper',
    args: () => [
      // Private keys live in OpenSSL's secure heap: locked into memory, cleansed when freed.
      ...['--secure-heap=65536', '--secure-heap-min=2', '--expose-gc', ...SMALL],
      script('./keeper/main.ts'),
      ...['--data', data, '--socket', sockets.keeper, '--device-secret', deviceSecret],
      ...['--provision', provision, ...option('argon2-memory', values['argon2-memory'])],
      ...option('led', values.led && resolve(values.led)),
      ...option('button', values.button && resolve(values.button)),
      ...(values['accept-generation'] ?? []).flatMap(accepted => ['--accept-generation', accepted]),
    ],
    env: keeperEnv,
    onLine(line) {
      state = line
      announce(`keeper is ${line}`)
      oneReady()
    },
  },
  {
    name: 'gate',
    args: () => [
      ...TIDY,
      script('./gate/main.ts'),
      ...['--identity', join(data, 'identity'), '--keeper', sockets.keeper, '--health', sockets.health],
      ...['--provision', provision, ...option('serial', values.serial)],
      ...option('network', values.network && resolve(values.network)),
      ...option('lan', lan),
      ...option('argon2-memory', values['argon2-memory']),
      ...option('free-refusals', values['free-refusals']),
    ],
    env,
    onLine(line) {
      // A port that was free at the first start is kept, so that clients find the gate again.
      const port = /^lan https:.*(:\d+)$/.exec(line)?.[1]
      if (port) lan = lan?.replace(/:\d+$/, port)
      if (line === 'ready') oneReady()
      else if (line.startsWith('gone ')) announce(`gate has lost lan ${line.slice('gone '.length)}`)
      else announce(`gate answers on ${line}`)
    },
  },
  {
    name: 'health',
    args: () => [script('./health/main.ts'), '--socket', sockets.health, '--data', data],
    env,
    onLine: oneReady,
  },
]
const running = units.map(
  unit => new Supervised({ ...unit, onStart: pid => announce(`started ${unit.name}=${pid}`) }),
)

for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.once(signal, async () => {
    await Promise.all(running.map(unit => unit.stop()))
    process.exit(0)
  })
