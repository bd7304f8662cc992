/** The reference of the library in the repository, docs/client/*.md: current, and of everything that is exported. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import * as client from '../../host-agent/client/index.ts'
import { REFERENCE, reference } from '../../host-agent/package/library/reference.ts'
import * as seal from '../../host-agent/seal/index.ts'
import { isErrorCode } from '../../protocol/api/errors.ts'
import { ROUTES } from '../../protocol/api/routes.ts'

t.setTimeout(120_000)
const pages = await reference()

t.test(
  'When a comment, an export or a schema changes, then it must be written anew (npm run reference)',
  async t => {
    t.same([...pages.keys()].sort(), readdirSync(REFERENCE).sort())
    for (const [name, text] of pages)
      t.ok(text === readFileSync(join(REFERENCE, name), 'utf8'), `docs/client/${name}`)
  },
)

t.test('When the reference is read, then it has what there is, and leads nowhere else', async t => {
  for (const [page, exported] of [
    ['client.md', client],
    ['seal.md', seal],
  ] as const)
    for (const name of Object.keys(exported))
      t.match(pages.get(page), new RegExp(`^### ${name}(?:\\(\\))?$`, 'm'), `${page}: ${name}`)
  const text = pages.get('client.md')!
  for (const [name, { method, path }] of Object.entries(ROUTES))
    if (name !== 'events')
      t.ok(text.includes(`\`${method} ${path}\`, for `), `a method for ${method} ${path}`)
  for (const [, list] of text.matchAll(/^\[ApplianceError\]\(#applianceerror\) ((?:`[a-z-]+`(?:, |$))+)$/gm))
    for (const [, code] of list!.matchAll(/`([a-z-]+)`/g)) t.ok(isErrorCode(code), code!)
  t.notMatch(text, /typebox|TObject|__namedParameters/)
})
