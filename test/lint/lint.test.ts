/** The lint step itself: an arrow against the design is found, whichever way it is written. */
import t from 'tap'
import { faultOf } from './arrows.ts'
import { importsOf } from './imports.ts'
import { complaintsAbout } from './words.ts'

const faults = (from: string, text: string) => importsOf(from, text).map(faultOf).filter(Boolean)

t.test('When a folder imports against an arrow, then it is found', async t => {
  const cases: [string, string][] = [
    ['protocol/link/link.ts', "import { x } from '../../appliance/main.ts'"],
    ['appliance/gate/app.ts', "import type { Vault } from '../keeper/vault.ts'"],
    ['appliance/gate/app.ts', "export { Vault } from '../keeper/vault.ts'"],
    ['appliance/keeper/keeper.ts', "import Fastify from 'fastify'"],
    ['appliance/keeper/keeper.ts', "const { spawn } = await import('node:child_process')"],
    ['appliance/health/main.ts', "import { Keeper } from '../keeper/keeper.ts'"],
    ['host-agent/client/tls.ts', "import { x } from '../cli/main.ts'"],
    ['host-agent/cli/main.ts', "import { Keeper } from '../../appliance/keeper/keeper.ts'"],
    ['host-agent/seal/seal.ts', "import { x } from '../client/tls.ts'"],
    ['host-agent/shop/records/record.ts', "import { x } from '../../client/tls.ts'"],
    ['host-agent/shop/records/types.ts', "import { readFileSync } from 'node:fs'"],
    ['host-agent/client/tls.ts', "import { x } from '../../image-build/errors.ts'"],
    ['host-agent/cli/main.ts', "import { x } from '../package/deb.ts'"],
    ['appliance/gate/app.ts', "import { parse } from 'libphonenumber-js/max'"],
    ['protocol/cbor.ts', "import {\n  readFile,\n  writeFile,\n} from 'node:fs/promises'"],
  ]
  for (const [from, text] of cases) t.equal(faults(from, text).length, 1, `${from}: ${text.split('\n')[0]}`)
})

t.test('When an import follows an arrow, then nothing is said', async t => {
  const cases: [string, string][] = [
    ['appliance/gate/app.ts', "import { KeeperClient } from '../keeper/rpc/client.ts'"],
    ['appliance/gate/main.ts', "import { SnapshotReader } from '../health/feed.ts'"],
    ['appliance/keeper/keeper.ts', "import { admit } from '../../protocol/api/routes.ts'"],
    ['host-agent/cli/main.ts', "import { x } from '../client/tls.ts'\nimport { y } from '../seal/seal.ts'"],
    ['host-agent/package/deb.ts', "import { x } from '../../image-build/tree/tree.ts'"],
    ['test/a.test.ts', "import { Keeper } from '../appliance/keeper/keeper.ts'"],
  ]
  for (const [from, text] of cases) t.same(faults(from, text), [], `${from}: ${text}`)
})

t.test('When a file names a place of one machine or a loose end, then it is found', async t => {
  t.equal(complaintsAbout('a.ts', `const path = '${'/t'}mp/x'`).length, 1)
  t.equal(complaintsAbout('a.ts', `// ${'TO'}DO: later`).length, 1)
  t.same(complaintsAbout('a.ts', "join(tmpdir(), 'x')"), [])
})
