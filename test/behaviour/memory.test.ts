/** The behaviour suite in one process, over cables in memory. */
import { startInProcess } from '../support/in-process.ts'
import { behaviour } from './suite.ts'

behaviour('a cable in memory', startInProcess)
