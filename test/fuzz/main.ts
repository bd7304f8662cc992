/**
 * `npm run fuzz -- --door NAME [--minutes N | --inputs N] [--seed N]`: bytes that nobody meant, at a door that other programs knock at. Inputs are
 * well-formed ones, mutated; the same seed gives the same inputs. Ends with status 1 and the input of the first fault, which `--input` takes alone.
 */
import { parseArgs } from 'node:util'
import { type Door, fuzz } from './fuzz.ts'
import { Random } from './random.ts'

/** Each door by its name; what it does with one input, and what must hold for that. */
const DOORS: Readonly<Record<string, () => Promise<{ door: Door }>>> = {
  age: () => import('./age.ts'),
  jwe: () => import('./jwe.ts'),
  'sealed-box': () => import('./sealed-box.ts'),
  pkcs11: () => import('./pkcs11.ts'),
  rest: () => import('./rest.ts'),
}

const { values } = parseArgs({
  options: {
    door: { type: 'string' },
    minutes: { type: 'string' },
    inputs: { type: 'string' },
    seed: { type: 'string', default: '1' },
    input: { type: 'string' },
  },
})

const { door: name = '' } = values
const [minutes, inputs, seed] = [values.minutes ?? '1', values.inputs ?? 'Infinity', values.seed].map(Number)
if (!Object.hasOwn(DOORS, name) || ![minutes, inputs, seed].every(number => number! >= 0)) {
  process.stderr.write(`claviger: --door takes one of ${Object.keys(DOORS).join(', ')}\n`)
  process.exit(2)
}
const { door } = await DOORS[name]!()
if (values.input !== undefined) {
  const fate = await door.take(Buffer.from(values.input, 'base64'), new Random(seed!))
  process.stdout.write(`${name}: ${fate}\n`)
  process.exit()
}
// How many come first is what ends it; time does not where a number is given.
const until = values.inputs === undefined ? minutes! * 60_000 : Number.POSITIVE_INFINITY
const report = await fuzz(door, { seed: seed!, inputs: inputs!, until })
await door.close?.()
const { count, seconds, slowest, grown, fates, fault } = report
const kinds = Object.entries(fates).map(([fate, number]) => `${number} ${fate}`)
process.stdout.write(
  `${name}: ${count} inputs in ${seconds.toFixed(0)} s, slowest ${slowest.toFixed(1)} ms, heap grown by ${grown.toFixed(1)} MiB\n` +
    `${kinds.join(', ')}\n`,
)
if (fault) {
  const again = `--door ${name} --seed ${fault.seed} --input ${fault.input.toString('base64')}`
  process.stderr.write(`fault of input ${fault.number}: ${fault.what}\nagain with: ${again}\n`)
  process.exit(1)
}
