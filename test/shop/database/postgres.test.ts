/** The suite of databases on postgres. */
import { databaseSuite } from './suite.ts'

await databaseSuite('postgres', 1200)
