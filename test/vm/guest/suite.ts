/** The behaviour suite on the real processes, over the gadget. */
import { behaviour } from '../../behaviour/suite.ts'
import { startDevice } from './site.ts'

await behaviour('the USB gadget', () => startDevice())
