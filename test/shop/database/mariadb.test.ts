/** The suite of databases on mariadb. */
import { databaseSuite } from './suite.ts'

await databaseSuite('mariadb', 1200)
