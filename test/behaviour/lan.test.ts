/** The behaviour suite on the real processes, over TCP. */
import { flashCard, startProcesses, temporaryDirectory } from '../support/appliance.ts'
import { behaviour } from './suite.ts'

behaviour('the LAN', async () => {
  const directory = await temporaryDirectory()
  const card = await flashCard(directory.path, '')
  const processes = await startProcesses(directory.path)
  const { appliance } = processes
  await appliance.provision(card)
  return {
    appliance,
    stop: async () => {
      await appliance.close()
      await processes.stop()
      await directory.remove()
    },
  }
})
