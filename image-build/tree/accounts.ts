/** Users and groups of the device: a number for each process, and nobody who can log in. */

/** Numbers of our users; each has a group of the same name and number. */
export const USERS = { keeper: 200, gate: 201, health: 202 } as const
/** Groups that several are in. */
export const GROUPS = { card: 210 } as const
/** Users of systemd's own programs. */
const SYSTEM = { 'systemd-network': 220 } as const

/** Members of the groups beyond their own. */
const MEMBERS: Record<keyof typeof GROUPS, (keyof typeof USERS)[]> = { card: ['keeper', 'gate'] }

/** Name of a user of ours, as units name it. */
export function userName(user: keyof typeof USERS): string {
  return `claviger-${user}`
}

function numbers(): [name: string, number: number][] {
  const ours = Object.entries(USERS).map(([name, number]): [string, number] => [`claviger-${name}`, number])
  return [['root', 0], ...ours, ...Object.entries(SYSTEM), ['nobody', 65_534]]
}

/** Contents of /etc/passwd. */
export function passwd(): string {
  return numbers()
    .map(([name, number]) => `${name}:x:${number}:${number}::/:/usr/sbin/nologin\n`)
    .join('')
}

/** Contents of /etc/group. */
export function group(): string {
  const own = numbers().map(([name, number]) => [name === 'nobody' ? 'nogroup' : name, number, ''] as const)
  const shared = Object.entries(GROUPS).map(([name, number]) => {
    const members = MEMBERS[name as keyof typeof GROUPS].map(userName)
    return [`claviger-${name}`, number, members.join(',')] as const
  })
  return [...own, ['tty', 5, ''] as const, ...shared]
    .map(([name, number, members]) => `${name}:x:${number}:${members}\n`)
    .join('')
}

/** Contents of /etc/shadow: no password opens anything. */
export function shadow(): string {
  return numbers()
    .map(([name]) => `${name}:!*:::::::\n`)
    .join('')
}
