/** The behaviour suite in one process, over cables in memory; each of its answers is held against the OpenAPI document. */
import t from 'tap'
import { AnswerCheck } from '../support/answers.ts'
import { startInProcess } from '../support/in-process.ts'
import { behaviour } from './suite.ts'

const answers = new AnswerCheck()
behaviour('a cable in memory', async () => {
  const device = await startInProcess()
  answers.watch(device.app.server)
  return device
})
t.test('When it was asked all this, then each answer is what docs/openapi.json says', async t => {
  t.same([...answers.faults], [])
  t.ok(answers.pairs > 50, `${answers.pairs} pairs of route and status`)
})
