/** The order of Debian's version numbers, deb-version(7). */

/** @returns less than 0 where `a` is older than `b`, more than 0 where it is newer, 0 where they are the same version */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [split(a), split(b)]
  return (
    left.epoch - right.epoch ||
    compareParts(left.upstream, right.upstream) ||
    compareParts(left.revision, right.revision)
  )
}

function split(version: string): { epoch: number; upstream: string; revision: string } {
  const colon = version.indexOf(':')
  const rest = version.slice(colon + 1)
  const dash = rest.lastIndexOf('-')
  return {
    epoch: colon < 0 ? 0 : Number(version.slice(0, colon)),
    upstream: dash < 0 ? rest : rest.slice(0, dash),
    revision: dash < 0 ? '' : rest.slice(dash + 1),
  }
}

/** Alternates between a part without digits and a number, from the left. */
function compareParts(a: string, b: string): number {
  let [left, right] = [a, b]
  while (left !== '' || right !== '') {
    const [textOfLeft, textOfRight] = [/^\D*/.exec(left)![0], /^\D*/.exec(right)![0]]
    const text = compareText(textOfLeft, textOfRight)
    if (text !== 0) return text
    left = left.slice(textOfLeft.length)
    right = right.slice(textOfRight.length)
    const [numberOfLeft, numberOfRight] = [/^\d*/.exec(left)![0], /^\d*/.exec(right)![0]]
    const number = compareNumbers(numberOfLeft, numberOfRight)
    if (number !== 0) return number
    left = left.slice(numberOfLeft.length)
    right = right.slice(numberOfRight.length)
  }
  return 0
}

function compareText(a: string, b: string): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = weight(a[i]) - weight(b[i])
    if (difference !== 0) return difference
  }
  return 0
}

/** `~` comes before the end, letters before everything else. */
function weight(character: string | undefined): number {
  if (character === undefined) return 0
  if (character === '~') return -1
  return character.charCodeAt(0) + (/[A-Za-z]/.test(character) ? 0 : 256)
}

/** Numbers as texts, since a date with a time in it is larger than what a double holds exactly. */
function compareNumbers(a: string, b: string): number {
  const [left, right] = [a.replace(/^0+/, ''), b.replace(/^0+/, '')]
  return left.length - right.length || (left < right ? -1 : left > right ? 1 : 0)
}
