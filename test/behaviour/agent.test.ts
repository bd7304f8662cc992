/** The behaviour suite on the real processes, through the agent that holds the serial line. */
import { openSerialPair } from '../../host-agent/cli/demo/serial-pair.ts'
import { localWires } from '../../host-agent/client/local-wires.ts'
import { startAgent } from '../support/agent.ts'
import { flashCard, startProcesses, temporaryDirectory } from '../support/appliance.ts'
import { behaviour } from './suite.ts'

behaviour('the tunnel of an agent', async () => {
  const directory = await temporaryDirectory()
  const home = await temporaryDirectory()
  const pair = await openSerialPair({ dir: directory.path })
  const card = await flashCard(directory.path, '')
  const agent = await startAgent(home.path, [pair.host])
  const open = localWires({ CLAVIGER_HOME: home.path })
  const processes = await startProcesses(directory.path, { serial: pair.device, host: 'usb:', open })
  const { appliance } = processes
  await appliance.provision(card)
  return {
    appliance,
    stop: async () => {
      await appliance.close()
      await agent.stop()
      await processes.stop()
      await pair.close()
      await Promise.all([directory.remove(), home.remove()])
    },
  }
})
