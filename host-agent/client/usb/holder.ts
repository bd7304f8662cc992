/** Which programs hold a terminal, so that a person can be told instead of "busy". Linux: proc(5), `/proc/<pid>/fd`. */
import { readdir, readFile, readlink, realpath } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { plainText } from './text.ts'

/** A program that has a terminal open. */
export interface PortHolder {
  pid: number
  /** Its name, for a person: `ModemManager`, `python3 term.py`. */
  command: string
}

/** Where to look, and for how long. */
export interface HolderOptions {
  /** Where procfs is mounted. */
  readonly proc?: string
  /** Looks no longer than this, ms: what was found until then is the answer. */
  readonly within?: number
}

/** More are not worth a line on a terminal. */
const MOST = 16

/** Programs whose first argument says more than their own name. */
const INTERPRETER = /^(node|python|perl|ruby|php|bash|dash|sh|env)[\d.]*$/

/**
 * Who holds the terminal at `path`; this process too, if it does. Never rejects. An empty list does not mean nobody: a user
 * cannot look into the programs of others, and only Linux tells at all.
 *
 * @param path - also a link to the terminal, such as `/dev/claviger/…` or `/dev/serial/by-id/…`
 */
export async function portHolders(
  path: string,
  { proc = '/proc', within = 1000 }: HolderOptions = {},
): Promise<PortHolder[]> {
  const until = performance.now() + within
  const terminal = await realpath(path).catch(() => null)
  const entries = await readdir(proc).catch(() => [])
  const holders: PortHolder[] = []
  for (const entry of entries) {
    if (terminal === null || holders.length >= MOST || performance.now() > until) break
    if (!/^\d+$/.test(entry) || !(await holds(join(proc, entry), terminal))) continue
    holders.push({ pid: Number(entry), command: await commandOf(join(proc, entry)) })
  }
  return holders
}

async function holds(process: string, terminal: string): Promise<boolean> {
  const descriptors = await readdir(join(process, 'fd')).catch(() => [])
  // a few at a time: a server may have many thousands
  for (let at = 0; at < descriptors.length; at += 64) {
    const links = descriptors.slice(at, at + 64).map(fd => readlink(join(process, 'fd', fd)).catch(() => ''))
    if ((await Promise.all(links)).includes(terminal)) return true
  }
  return false
}

/** Arguments are left out, because they may hold what is not for others. */
async function commandOf(process: string): Promise<string> {
  const [line, name] = await Promise.all(
    ['cmdline', 'comm'].map(file => readFile(join(process, file), 'utf8').catch(() => '')),
  )
  const [program = '', script = ''] = line!.split('\0')
  const command = basename(program) || name!
  const what = script.startsWith('-') || !INTERPRETER.test(command) ? '' : ` ${basename(script)}`
  return plainText(command + what, 64) || 'a program without a name'
}
