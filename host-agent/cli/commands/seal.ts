/** `claviger seal`: one value, or columns of a table, sealed with a public key. Needs no device. */
import { isUtf8 } from 'node:buffer'
import { open } from 'node:fs/promises'
import { ClavigerError } from '../../../protocol/api/errors.ts'
import { MAX_PLAINTEXT_LENGTH } from '../../../protocol/envelope/token.ts'
import { type Seal, sealer } from '../../seal/seal.ts'
import { type Outcome, placeFault, type Task } from '../../shop/opening/cells.ts'
import { type Command, readArguments, type Surroundings, UsageError } from '../command.ts'
import { ROW_OPTIONS, ROW_USAGE, runRows } from '../rows/command.ts'
import { readInput } from '../rows/input.ts'
import { checkField } from '../rows/mapping.ts'

const MAX_KEY_FILE = 8192

const HINTS = {
  'bad-context': 'a record is at most 255 bytes',
  'too-large': `a value is at most ${MAX_PLAINTEXT_LENGTH} bytes`,
  'not-text': 'convert the table to UTF-8; JSON values must be text or numbers',
}

export const command: Command = {
  summary: 'seal fields with a public key',
  usage: `claviger seal --public-key KEY --field FIELD [--record RECORD] <value
claviger seal --public-key KEY --rows csv|ndjson --column NAME=FIELD… --record TEMPLATE <in >out

  --public-key KEY  what claviger admin key show NAME --public prints (clvp1:…), or @FILE that holds it
  --field FIELD     what kind of value it is, such as address.ship
  --record RECORD   the record it belongs to, such as orders/42; without it the token opens in any record
  --json

The value is read from standard input, without one line end at its end; it is never an argument.

${ROW_USAGE}A row that cannot be read comes out without its contents: they could be what was to be sealed.
A JSON number is sealed as its digits, and opens as text.
`,

  async run(args, surroundings) {
    const { options } = readArguments(
      args,
      {
        json: { type: 'boolean' },
        ...ROW_OPTIONS,
        'public-key': { type: 'string' },
        field: { type: 'string' },
      },
      [],
    )
    const seal = await readPublicKey(options['public-key'])
    const { rows, field, record = '', json, column } = options
    if (rows !== undefined) {
      if (field !== undefined) throw new UsageError('--rows takes no --field', 'name fields with --column')
      return runRows({ ...options, rows }, surroundings, {
        verb: { doing: 'sealing', done: 'sealed' },
        keepBadRows: false,
        hints: HINTS,
        withWork: use => use(async tasks => tasks.map(task => sealCell(seal, task))),
      })
    }
    if (column.length > 0) throw new UsageError('--column is for --rows')
    if (field === undefined)
      throw new UsageError('--field is missing', 'say what it is, as in --field address.ship')
    checkField(field)
    if (placeFault(field, record)) throw new UsageError('--record takes at most 255 bytes')
    const value = await readValue(surroundings)
    const { terminal } = surroundings
    try {
      const token = seal({ field, record }, value)
      if (!isUtf8(value)) terminal.say('the value is not text: it will open as base64url')
      if (json) terminal.printJson({ token })
      else terminal.print(token)
      return 0
    } finally {
      value.fill(0)
    }
  },
}

async function readPublicKey(option: string | undefined): Promise<Seal> {
  const hint = 'claviger admin key show NAME --public prints it'
  if (option === undefined) throw new UsageError('--public-key is missing', hint)
  const text = option.startsWith('@') ? await readKeyFile(option.slice(1)) : option
  try {
    return sealer(text.trim())
  } catch (error) {
    if (error instanceof ClavigerError) throw new UsageError(`--public-key: ${error.message}`, hint)
    throw error
  }
}

async function readKeyFile(path: string): Promise<string> {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`${path} cannot be read: ${error.code}`)
  })
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_KEY_FILE), 0, MAX_KEY_FILE)
    return buffer.toString('utf8', 0, bytesRead)
  } catch (error) {
    throw new UsageError(`${path} cannot be read: ${(error as NodeJS.ErrnoException).code}`)
  } finally {
    await file.close()
  }
}

async function readValue({ terminal, stdin }: Surroundings): Promise<Buffer> {
  const bytes = stdin.isTTY
    ? Buffer.from(await terminal.secret('value', 'standard input', undefined), 'utf8')
    : await readInput(stdin, MAX_PLAINTEXT_LENGTH + 2)
  const lineEnd = stdin.isTTY ? '' : /\r?\n$/.exec(bytes.toString('latin1', bytes.length - 2))?.[0]
  const value = bytes.subarray(0, bytes.length - (lineEnd?.length ?? 0))
  if (value.length === 0) throw new UsageError('there is no value on standard input')
  if (value.length > MAX_PLAINTEXT_LENGTH)
    throw new UsageError(`a value is at most ${MAX_PLAINTEXT_LENGTH} bytes`)
  return value
}

function sealCell(seal: Seal, { field, record, text }: Task): Outcome {
  if (Buffer.byteLength(text) > MAX_PLAINTEXT_LENGTH) return { code: 'too-large' }
  try {
    return { value: seal({ field, record }, text) }
  } catch (error) {
    if (error instanceof ClavigerError) return { code: error.code }
    throw error
  }
}
