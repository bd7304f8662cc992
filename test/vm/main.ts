/**
 * `npm run test:vm`: boots a small guest with a gadget and a host in one kernel, and asks it everything that needs real
 * USB; then builds images, flashes them and starts them in machines of their own (`image/`). Prints the reports, and one line
 * of totals like `npm test`. Names of questions as arguments ask only those; `cycles=N` and `kills=N` change how often the
 * cable is pulled and processes are killed.
 */
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundle, ENTRIES } from '../../image-build/bundle.ts'
import { cpio } from './cpio.ts'
import { askImage, IMAGE_PROGRAMS, IMAGE_QUESTIONS } from './images.ts'
import { runMachine } from './machine.ts'
import { modulesInOrder } from './modules.ts'
import { candidate, PackageError, unpack } from './packages.ts'
import { Report, type Totals } from './report.ts'
import { guestTree } from './tree.ts'

const CACHE = fileURLToPath(new URL('../../node_modules/.cache/claviger-vm', import.meta.url))
const MODULES = ['configfs', 'dummy_hcd', 'libcomposite', 'u_serial', 'usb_f_acm', 'cdc_acm']
const PROGRAMS = [
  'qemu-system-x86_64',
  'apt-get',
  'apt-cache',
  'dpkg-deb',
  'udevadm',
  'ldd',
  ...IMAGE_PROGRAMS,
]
/** The device's three, which start again and again. */
const PROCESSES = ['keeper', 'gate', 'health']
const DEADLINE_MS = 40 * 60_000

// stripping types is called experimental
process.removeAllListeners('warning')

const questions = process.argv.slice(2).filter(word => !word.includes('='))
const variables = Object.fromEntries(
  process.argv.slice(2).flatMap(word => (word.includes('=') ? [word.split('=', 2) as [string, string]] : [])),
)
const missing = PROGRAMS.filter(
  program => !(process.env.PATH ?? '').split(delimiter).some(place => existsSync(join(place, program))),
)
if (process.arch !== 'x64') missing.push('an x86-64 machine')
if (missing.length > 0) unavailable(missing.join(', '))

const work = mkdtempSync(join(tmpdir(), 'claviger-vm-'))
process.once('exit', () => rmSync(work, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

const ofImages = IMAGE_QUESTIONS.filter(name => questions.length === 0 || questions.includes(name))
const ofGuest = questions.filter(name => !(IMAGE_QUESTIONS as readonly string[]).includes(name))
const reports: Totals[] = []
if (ofGuest.length > 0 || questions.length === 0) reports.push(await askGuest())
for (const name of ofImages) reports.push(await askImage(name, join(work, 'images'), take))
const sum = (what: 'passed' | 'failed' | 'skipped') => reports.reduce((total, each) => total + each[what], 0)
for (const { complaints } of reports)
  for (const complaint of complaints) process.stdout.write(`not ok: ${complaint}\n`)
const [passed, failed, skipped] = [sum('passed'), sum('failed'), sum('skipped')]
process.stdout.write(`${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}\n`)
process.exit(failed > 0 ? 1 : 0)

function take(report: Report): (line: string) => void {
  return line => {
    process.stdout.write(`${line}\n`)
    report.line(line)
  }
}

async function askGuest(): Promise<Totals> {
  const initramfs = join(work, 'initramfs')
  const messages = join(work, 'console')
  const kernel = await built(initramfs)
  const report = new Report()
  const fault = await runMachine({
    kernel,
    initramfs,
    console: messages,
    deadline: DEADLINE_MS,
    variables: {
      ...variables,
      questions: ofGuest.join(','),
      CLAVIGER_GUEST: 'true',
      ...(process.env.CI ? { CI: 'true' } : {}),
    },
    onLine: take(report),
  })
  if (fault) report.fail(fault)
  const totals = report.totals()
  if (totals.failed > 0) process.stdout.write(`${readFileSync(messages, 'utf8').slice(-4_000)}\n`)
  return totals
}

/** What is missing is a visible skip for a user, and a failure where everything has to be there. */
function unavailable(what: string): never {
  process.stdout.write(`${process.env.CI ? 'not ok' : 'skipped'}: the guest needs ${what}\n`)
  process.stdout.write(process.env.CI ? '0 passed, 1 failed\n' : '0 passed, 0 failed, 1 skipped\n')
  process.exit(process.env.CI ? 1 : 0)
}

async function built(file: string): Promise<string> {
  try {
    return await build(file)
  } catch (error) {
    if (error instanceof PackageError) unavailable(`packages of Debian: ${error.message}`)
    throw error
  }
}

/** Writes the guest's root. @returns the path of the kernel */
async function build(file: string): Promise<string> {
  mkdirSync(CACHE, { recursive: true })
  const [image = ''] = candidate('linux-image-amd64').depends
  const root = unpack(CACHE, candidate(image))
  const busybox = unpack(CACHE, candidate('busybox-static'))
  const { scripts: bundled } = await bundle()
  const scripts = new Map(PROCESSES.map(name => [ENTRIES[name]!, bundled.get(name)!]))
  const entries = guestTree({ busybox, modules: modulesInOrder(root, MODULES), scripts })
  const fd = openSync(file, 'w')
  for (const piece of cpio(entries)) for (let at = 0; at < piece.length; ) at += writeSync(fd, piece, at)
  closeSync(fd)
  const name = readdirSync(join(root, 'boot')).find(each => each.startsWith('vmlinuz-'))
  if (!name) throw new Error(`${image} holds no kernel`)
  return join(root, 'boot', name)
}
