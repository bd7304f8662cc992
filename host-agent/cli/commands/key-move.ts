/** `claviger key move`: columns of a table, opened with a key of this machine and sealed under another source's, values unseen. */
import { ClavigerError } from '../../../protocol/api/errors.ts'
import { MAX_REWRAP } from '../../../protocol/api/routes.ts'
import type { RewrapBody } from '../../../protocol/api/schemas.ts'
import { parsePublicKey } from '../../../protocol/envelope/token.ts'
import { ConnectionError } from '../../client/errors.ts'
import type { KeySource } from '../../client/sources/source.ts'
import { isSendable, type Outcome, placeFault, type Task } from '../../shop/opening/cells.ts'
import { COMMON, type Command, readArguments, UsageError } from '../command.ts'
import { HINTS, readWish } from '../opening.ts'
import { ROW_OPTIONS, ROW_USAGE, runRows } from '../rows/command.ts'
import { chooseSource, SOURCE_OPTIONS, withSource } from '../sources.ts'

export const command: Command = {
  summary: 'seal a table again under the key of another source',
  usage: `claviger key move --source SOURCE --to PUBLICKEY --purpose PURPOSE
                  --rows csv|ndjson --column NAME=FIELD… --record TEMPLATE <in >out

  --source SOURCE  what opens: local:FILE, manual:NAME or manual:PUBLICKEY; an appliance gives nothing away
  --to PUBLICKEY   what claviger key show, or claviger admin key show --public, prints of the other source (clvp1:…)
  --purpose NAME   what it is for
  --passphrase-fd N  read the passphrase of the source from file descriptor N instead of the terminal
  --json

Values are in this process only, and are not printed.

${ROW_USAGE}`,

  async run(args, surroundings) {
    const { options } = readArguments(
      args,
      {
        ...COMMON,
        ...ROW_OPTIONS,
        ...SOURCE_OPTIONS,
        purpose: { type: 'string' },
        reason: { type: 'string' },
        to: { type: 'string' },
      },
      [],
    )
    const { rows, json } = options
    const { purpose } = readWish({ purpose: options.purpose, reason: options.reason }, undefined)
    const under = readTarget(options.to)
    if (rows === undefined) throw new UsageError('--rows is missing', 'say csv or ndjson')
    const chosen = await chooseSource(options, surroundings)
    if (chosen.kind === 'appliance')
      throw new UsageError(
        'an appliance seals for no other source',
        'name what opens with --source local:FILE or manual:NAME',
      )
    return runRows({ ...options, rows }, surroundings, {
      verb: { doing: 'moving', done: 'moved' },
      keepBadRows: true,
      hints: { ...HINTS, 'unknown-key': 'these are under another key: perhaps they were moved already' },
      withWork: use =>
        withSource(
          chosen,
          options,
          surroundings,
          source => use(tasks => move(source, purpose, under, tasks)),
          {
            isQuiet: json === true,
          },
        ),
    })
  },
}

/** @throws UsageError */
function readTarget(to: string | undefined): string {
  const hint = 'claviger key show and claviger admin key show print it with --public'
  if (to === undefined) throw new UsageError('--to is missing', hint)
  try {
    parsePublicKey(to)
    return to
  } catch (error) {
    if (error instanceof ClavigerError) throw new UsageError(`--to: ${error.message}`, hint)
    throw error
  }
}

/** Cells that no request would take are refused here, so that one of them never fails a batch. */
async function move(
  source: KeySource,
  purpose: Omit<RewrapBody, 'items' | 'target'>,
  under: string,
  tasks: readonly Task[],
): Promise<Outcome[]> {
  const refusals = tasks.map(({ field, record, text }) =>
    isSendable(text) ? placeFault(field, record) : 'bad-token',
  )
  const items = tasks
    .filter((_, i) => refusals[i] === null)
    .map(({ field, record, text }) => ({ ciphertext: text, context: { field, record } }))
  const moved: Outcome[] = []
  for (let start = 0; start < items.length; start += MAX_REWRAP) {
    const part = items.slice(start, start + MAX_REWRAP)
    const { results } = await source.rewrap({ ...purpose, items: part }, under)
    if (results.length !== part.length)
      throw new ConnectionError('bad-response', 'the answer does not fit the request')
    moved.push(
      ...results.map(({ tokens, error }) =>
        tokens ? { value: tokens[0]!.token } : { code: error?.code ?? 'bad-response' },
      ),
    )
  }
  let next = 0
  return refusals.map(code => (code === null ? moved[next++]! : { code }))
}
