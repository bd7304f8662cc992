/** A rewrap that several workers share through a real MariaDB. */
import t from 'tap'
import { workersSuite } from './workers-suite.ts'

t.setTimeout(240_000)
await workersSuite('mariadb')
