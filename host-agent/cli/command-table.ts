/** Which commands there are. */
import type { Command } from './command.ts'

/** Commands by name, in the order of the overview; each is loaded only when it is used. */
export const COMMANDS: Record<string, () => Promise<{ command: Command }>> = {
  demo: () => import('./commands/demo.ts'),
  status: () => import('./commands/status.ts'),
  image: () => import('./commands/image.ts'),
  flash: () => import('./commands/flash.ts'),
  provision: () => import('./commands/provision.ts'),
  enrol: () => import('./commands/enrol.ts'),
  agent: () => import('./commands/agent.ts'),
  page: () => import('./commands/page.ts'),
  pkcs11: () => import('./commands/pkcs11.ts'),
  'pkcs11 label': async () => ({ command: (await import('./commands/pkcs11.ts')).labelCommand }),
  unlock: () => import('./commands/unlock.ts'),
  lock: () => import('./commands/lock.ts'),
  lockdown: () => import('./commands/lockdown.ts'),
  seal: () => import('./commands/seal.ts'),
  open: () => import('./commands/open.ts'),
  key: () => import('./commands/key.ts'),
  'key move': () => import('./commands/key-move.ts'),
  'shop check': () => import('./commands/shop-check.ts'),
  'shop seal': () => import('./commands/shop-seal.ts'),
  'shop rewrap': () => import('./commands/shop-rewrap.ts'),
  'shop open': () => import('./commands/shop-open.ts'),
  'shop labels': () => import('./commands/shop-labels.ts'),
  'admin key': () => import('./commands/admin-key.ts'),
  'admin agent': () => import('./commands/admin-agent.ts'),
  'admin grant': () => import('./commands/admin-grant.ts'),
  'admin recipient': () => import('./commands/admin-recipient.ts'),
  'admin lockdown': async () => ({ command: (await import('./commands/lockdown.ts')).adminCommand }),
  'admin audit': () => import('./commands/admin-audit.ts'),
  'admin health': () => import('./commands/admin-health.ts'),
  'admin settings': () => import('./commands/admin-settings.ts'),
  'age identity': () => import('./commands/age-identity.ts'),
  completion: () => import('./commands/completion.ts'),
}

/** Every command, for those who describe them all. */
export async function loadCommands(): Promise<Map<string, Command>> {
  const loaded = Object.entries(COMMANDS).map(async ([name, load]) => [name, (await load()).command] as const)
  return new Map(await Promise.all(loaded))
}
