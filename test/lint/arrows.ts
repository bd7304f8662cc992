/**
 * The arrows between the folders (docs/architecture.md): which folder may import which, and what the processes that
 * hold or face something may not touch.
 */

/** One import statement as it was found. */
export interface Import {
  /** Path of the importing file from the root, with `/`. */
  from: string
  /** Path of the imported file from the root, or the name of a package or `node:` module. */
  to: string
  /** Whether it vanishes when types are stripped. */
  typeOnly: boolean
}

/** Folders that a folder may import, beside itself. */
const ARROWS: Record<string, readonly string[]> = {
  protocol: [],
  appliance: ['protocol'],
  'host-agent': ['protocol'],
  'image-build': ['appliance'],
  test: ['protocol', 'appliance', 'host-agent', 'image-build', 'package.json'],
}

/** A folder that may import more than the one it is in: it makes the package of the agent, and is no part of it. */
const MORE: Record<string, readonly string[]> = { 'host-agent/package/': ['image-build'] }

/** Parts of the appliance that each part may import, beside itself and the files at its root. */
const INSIDE_APPLIANCE: Record<string, readonly string[]> = {
  ipc: [],
  keeper: ['ipc'],
  health: ['ipc'],
  network: [],
  gadget: [],
  gate: ['ipc', 'keeper/rpc', 'health/feed.ts', 'network'],
}

/** Parts of the host agent likewise. */
const INSIDE_HOST_AGENT: Record<string, readonly string[]> = {
  client: [],
  seal: [],
  // one command starts the daemon, one prints what a plugin reads
  cli: ['client', 'seal', 'agent', 'shop', 'plugins'],
  agent: ['client', 'seal', 'shop'],
  shop: ['client', 'seal'],
  plugins: ['client', 'seal'],
  // a package is made from what the commands say of themselves; nothing may import this one
  package: ['cli', 'integration'],
}

/** Modules that a folder must never load. */
const FORBIDDEN: [folder: string, modules: RegExp, why: string][] = [
  [
    'protocol/',
    /^node:(fs|net|http|https|http2|tls|process|child_process|worker_threads|dgram|os)\b/,
    'protocol is pure',
  ],
  [
    'appliance/keeper/',
    /^(fastify|systeminformation|serialport|usb|typebox|node:(http|https|http2|tls|child_process|worker_threads|dgram))\b/,
    'the key process has no network, no serial port, and forks nothing',
  ],
  ['appliance/gate/', /^(systeminformation|node:(child_process|worker_threads))\b/, 'only health may fork'],
  [
    'appliance/',
    /^(libphonenumber-js|card-validator|ibantools|localized-address-format)\b/,
    'what reads records is for the shop, not for the device',
  ],
  ['appliance/', /^(mysql2|pg)\b/, "databases are the shop's, not the device's"],
  [
    'host-agent/shop/records/',
    /^(host-agent\/(?!seal\/|shop\/records\/)|node:(fs|net|http|https|http2|tls|process|child_process|worker_threads|dgram|os)\b)/,
    'record types know values, neither files nor devices',
  ],
]

/** @returns what is wrong with an import, or `null` */
export function faultOf({ from, to, typeOnly }: Import): string | null {
  for (const [folder, modules, why] of FORBIDDEN)
    if (from.startsWith(folder) && modules.test(to) && !typeOnly) return why
  const [top = '', ...rest] = from.split('/')
  const [toTop = '', ...toRest] = to.split('/')
  if (!(top in ARROWS) || !(toTop in ARROWS || to === 'package.json')) return null
  if (to === 'package.json')
    return ['appliance/version.ts', 'host-agent/version.ts'].includes(from) || top === 'test'
      ? null
      : 'only version.ts reads package.json'
  if (top !== toTop) {
    const more = Object.entries(MORE).flatMap(([folder, tops]) => (from.startsWith(folder) ? tops : []))
    return [...ARROWS[top]!, ...more].includes(toTop) ? null : `${top} may not import ${toTop}`
  }
  if (top === 'appliance') return insideFault(INSIDE_APPLIANCE, rest, toRest)
  if (top === 'host-agent') return insideFault(INSIDE_HOST_AGENT, rest, toRest)
  return null
}

function insideFault(arrows: Record<string, readonly string[]>, from: string[], to: string[]): string | null {
  const part = from.length > 1 ? from[0]! : ''
  const target = to.length > 1 ? to[0]! : ''
  if (target === '' || part === target) return null
  // A file at the root of the folder is shared by its parts: it may know their messages, not their insides.
  const allowed = part === '' ? ['ipc', 'keeper/rpc'] : (arrows[part] ?? [])
  const path = to.join('/')
  return allowed.some(prefix => path === prefix || path.startsWith(`${prefix}/`))
    ? null
    : `${part || 'the root'} may not import ${path}`
}
