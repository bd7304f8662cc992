/** The behaviour suite on the real processes, over a serial line. */
import { openSerialPair } from '../../host-agent/cli/demo/serial-pair.ts'
import { flashCard, startProcesses, temporaryDirectory } from '../support/appliance.ts'
import { behaviour } from './suite.ts'

behaviour('a serial line', async () => {
  const directory = await temporaryDirectory()
  const pair = await openSerialPair({ dir: directory.path })
  const card = await flashCard(directory.path, '')
  const host = `serial:${pair.host}`
  const processes = await startProcesses(directory.path, { serial: pair.device, host })
  const { appliance } = processes
  await appliance.provision(card)
  return {
    appliance,
    stop: async () => {
      await appliance.close()
      await processes.stop()
      await pair.close()
      await directory.remove()
    },
  }
})
