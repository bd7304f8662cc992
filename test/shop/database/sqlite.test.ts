/** The suite of databases on sqlite. */
import { databaseSuite } from './suite.ts'

await databaseSuite('sqlite', 10000)
