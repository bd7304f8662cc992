/**
 * Seals line by line for scripts: `node seal-lines.ts <public key>` reads lines of JSON `{field, record, value}` and
 * prints one token for each. The first bad line ends it with exit code 1.
 */

import { createInterface } from 'node:readline'
import { ClavigerError } from '../../protocol/api/errors.ts'
import { SealError, sealer } from './seal.ts'

const [publicKey] = process.argv.slice(2)
if (publicKey === undefined) {
  console.error(
    'claviger: usage: seal-lines <public key>, with lines of {field, record, value} on standard input',
  )
  process.exit(2)
}

let number = 0
try {
  const seal = sealer(publicKey)
  for await (const line of createInterface({ input: process.stdin })) {
    number++
    const item = JSON.parse(line)
    if (typeof item?.value !== 'string') throw new SealError('not a line of {field, record, value}')
    const { field, record, value } = item
    process.stdout.write(`${seal({ field, record }, value)}\n`)
  }
} catch (error) {
  const where = number === 0 ? '' : `line ${number}: `
  // A parser's message quotes the line, which may hold what was to be sealed.
  const what =
    error instanceof SyntaxError ? 'not a line of {field, record, value}' : (error as Error).message
  console.error(`claviger: ${where}${what}`)
  if (error instanceof ClavigerError && error.hint) console.error(`hint: ${error.hint}`)
  process.exitCode = 1
}
