/** The parts of the guest's builder that need no guest: archive, report, and sources as plain JavaScript. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { cpio, type Entry } from './cpio.ts'
import { packagesOf } from './npm-packages.ts'
import { asJavaScript, plainName } from './plain.ts'
import { Report } from './report.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

t.test('When an archive is unpacked by cpio, then everything is there as it was said', async t => {
  if (spawnSync('cpio', ['--version']).error) {
    if (process.env.CI) t.fail('cpio has to be installed where CI is set')
    else t.plan(0, 'cpio is not installed')
    return
  }
  const sizes = [0, 1, 2, 3, 4, 5, 4_097]
  const bytes = (size: number) => Buffer.alloc(size, size % 251)
  const entries: Entry[] = [
    { kind: 'directory', path: 'bin', mode: 0o750 },
    ...sizes.map(
      (size): Entry => ({ kind: 'file', path: `bin/${'x'.repeat(size % 7)}${size}`, bytes: bytes(size) }),
    ),
    { kind: 'file', path: 'bin/run', mode: 0o755, bytes: Buffer.from('#!/bin/sh\n') },
    { kind: 'link', path: 'bin/again', target: '../bin/run' },
  ]
  const cwd = t.testdir()
  const { status, stderr } = spawnSync('cpio', ['-idm', '--quiet'], {
    cwd,
    input: Buffer.concat(cpio(entries)),
  })
  t.equal(status, 0, `${stderr}`)
  for (const entry of entries) {
    const path = join(cwd, entry.path)
    if (entry.kind === 'link') t.equal(readlinkSync(path), entry.target)
    if (entry.kind === 'file') t.ok(readFileSync(path).equals(Buffer.from(entry.bytes)), entry.path)
    if (entry.kind === 'file') t.equal(statSync(path).mode & 0o777, entry.mode ?? 0o644)
  }
  t.equal(statSync(join(cwd, 'bin')).mode & 0o777, 0o750)
})

t.test('Only a report that came to its end with answers, all of them good, is a success', async t => {
  const WHOLE = ['TAP version 14', 'ok 1 - so', '# { total: 3, pass: 2, skip: 1 }', '# status 0\r']
  const totals = (lines: string[], why?: string) => {
    const report = new Report()
    for (const line of lines) report.line(line)
    if (why) report.fail(why)
    return report.totals()
  }
  t.same(totals(WHOLE), { passed: 2, failed: 0, skipped: 1, complaints: [] })
  t.match(totals(WHOLE, 'too late'), { passed: 2, failed: 1, complaints: ['too late'] })
  t.match(totals(WHOLE.slice(0, 3)), { failed: 1, complaints: ['the guest did not come to its end'] })
  t.match(totals(WHOLE.toSpliced(2, 1)), { passed: 0, failed: 1, complaints: ['the report has no totals'] })
  t.match(totals([]), { failed: 2 })
  t.match(totals(WHOLE.with(3, '# status 139')), { failed: 1, complaints: ['the questions ended with 139'] })
  t.match(totals(WHOLE.with(2, '# { total: 0 }')), { failed: 1, complaints: ['nothing was asked'] })
  t.match(totals(['# { total: 5, pass: 3, fail: 2 }', '# status 1']), {
    passed: 3,
    failed: 2,
    complaints: [],
  })
  // what a question says is not what the report says
  t.match(totals([...WHOLE, '    # { total: 9, pass: 9 }']), { passed: 2 })
})

t.test('A source becomes JavaScript that names its neighbours as JavaScript', async t => {
  const source = [
    "import type { A } from './a.ts'",
    "import { b } from '../b.ts'",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a template in a source
    'const c: number = await import(`./${b}.ts`)',
    "const pattern = /\\.ts$/, text = 'x.tsx'",
  ].join('\n')
  const plain = asJavaScript(source)
  t.notMatch(plain, 'type')
  t.match(plain, "from '../b.js'")
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a template in a source
  t.match(plain, '`./${b}.js`')
  t.match(plain, "/\\.ts$/, text = 'x.tsx'")
  t.equal(plain.split('\n').length, source.split('\n').length)
  t.equal(plainName('a/b.test.ts'), 'a/b.test.js')
  t.equal(plainName('a/b.mjs'), 'a/b.mjs')
})

t.test('When packages are asked for, then what they need comes along, and nothing else', async t => {
  const found = packagesOf(ROOT, ['serialport'])
  t.ok(found.includes('node_modules/serialport') && found.includes('node_modules/@serialport/bindings-cpp'))
  t.notOk(found.includes('node_modules/fastify'))
  for (const path of found) t.ok(existsSync(join(ROOT, path, 'package.json')), path)
  t.same(packagesOf(ROOT, []), [])
})
