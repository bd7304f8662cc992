/** Asks the questions, all or those that the kernel's command line names, each in a file of its own. */
import t from 'tap'

const QUESTIONS = [
  'gadget',
  'echo',
  'stalled',
  'suite',
  'latency',
  'noise',
  'replug',
  'kill-agent',
  'kill-gate',
]

const named = (process.env.questions ?? '').split(',').filter(Boolean)
for (const name of QUESTIONS) {
  if (named.length > 0 && !named.includes(name)) continue
  const started = process.uptime()
  await import(`./${name}.ts`)
  await t.test(`${name}: done`, async t => {
    t.comment(`figure ${name}-took ${Math.round(process.uptime() - started)} s`)
  })
}
