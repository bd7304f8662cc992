/** Exported logs on an auditor's machine, and the documented vector as Python sees it. */

import { spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { formatVerifierKey } from '../../protocol/audit/checkpoint.ts'
import { MAX_LINE_BYTES } from '../../protocol/audit/entry.ts'
import { AuditError } from '../../protocol/audit/errors.ts'
import { formatPrefix, parsePrefix } from '../../protocol/audit/export.ts'
import { type ExportHead, ExportVerifier, type VerifiedExport } from '../../protocol/audit/verify.ts'
import { lineAt } from '../keeper/audit-entries.ts'
import { exportOf, ORIGIN, VERIFIER_KEY, vector } from '../keeper/audit-vector.ts'

const LINES = Array.from({ length: 37 }, (_, i) => lineAt(i))
const EXPORT = exportOf(LINES)
const leavesOf =
  (leaves: Uint8Array) =>
  (index: number): Uint8Array | null =>
    leaves.subarray(index * 32, index * 32 + 32)

/** What is found, or the error's code and index. */
function verify(text: string | Uint8Array, head: Partial<ExportHead> = {}, cut = Number.POSITIVE_INFINITY) {
  try {
    const verifier = new ExportVerifier({ checkpoint: EXPORT.checkpoint, verifierKey: VERIFIER_KEY, ...head })
    const bytes = Buffer.from(text)
    for (let at = 0; at < bytes.length; at += cut) verifier.push(bytes.subarray(at, at + cut))
    return verifier.finish()
  } catch (error) {
    const { code, index } = error as AuditError
    return { code, index }
  }
}

t.test(
  'When an export is whole, then it verifies however it is cut into pieces, from any first entry on',
  async t => {
    const expected: VerifiedExport = { size: 37, entries: 37, root: EXPORT.root }
    for (const cut of [1, 7, 100, 5000]) t.same(verify(EXPORT.text, {}, cut), expected)
    t.same(verify(EXPORT.text, { leafAt: leavesOf(EXPORT.leaves) }), expected)
    const wrong: number[] = []
    for (let first = 0; first <= LINES.length; first++) {
      const { text, prefix } = exportOf(LINES, first)
      const found = verify(text, { nodes: formatPrefix(prefix), leafAt: leavesOf(EXPORT.leaves) })
      if (!('entries' in found) || found.entries !== 37 - first) wrong.push(first)
    }
    t.same(wrong, [])
    const empty = exportOf([])
    t.match(verify('', { checkpoint: empty.checkpoint }), { size: 0, entries: 0 })
  },
)

t.test('When any bit of an exported line is flipped, then the entry is named', async t => {
  const bytes = Buffer.from(EXPORT.text)
  const wrong: string[] = []
  let index = 0
  for (let at = 0; at < bytes.length; at++) {
    const flipped = Buffer.from(bytes)
    flipped[at]! ^= 1 << (at % 8)
    for (const head of [{}, { leafAt: leavesOf(EXPORT.leaves) }]) {
      const found = verify(flipped, head)
      if (!('code' in found) || found.code !== 'audit-damaged' || found.index !== index)
        wrong.push(`${at} of entry ${index}: ${JSON.stringify(found)}`)
    }
    if (bytes[at] === 0x0a) index += 1
  }
  t.same(wrong, [])
})

t.test(
  'When somebody edits a line and its CRC, then the leaf hashes name it, and without them the root still tells',
  async t => {
    const edited = LINES.with(20, lineAt(20, 'orders/other'))
    const text = exportOf(edited).text
    t.same(verify(text, { leafAt: leavesOf(EXPORT.leaves) }), { code: 'audit-damaged', index: 20 })
    t.same(verify(text), { code: 'audit-damaged', index: null })
    t.same(
      verify(text, { leafAt: leavesOf(exportOf(edited).leaves) }),
      { code: 'audit-damaged', index: null },
      'leaf hashes that were edited too name nothing wrongly',
    )
    const rotten = Buffer.from(EXPORT.leaves)
    rotten[5 * 32]! ^= 1
    t.match(
      verify(EXPORT.text, { leafAt: leavesOf(rotten) }),
      { entries: 37 },
      'the lines decide, not the leaf files',
    )
    t.same(verify(text, { leafAt: leavesOf(rotten) }), { code: 'audit-damaged', index: null })
  },
)

t.test(
  'When lines are missing, doubled, exchanged, torn or too many, then the first one is named',
  async t => {
    const joined = (lines: string[]) => lines.map(line => `${line}\n`).join('')
    const cases: [string, string, number][] = [
      ['the last one is missing', joined(LINES.slice(0, -1)), 36],
      ['the last one is torn', EXPORT.text.slice(0, -10), 36],
      ['the last newline is missing', EXPORT.text.slice(0, -1), 36],
      ['all are missing', '', 0],
      ['one too many', joined([...LINES, lineAt(37)]), 37],
      ['bytes behind the end', `${EXPORT.text}x`, 37],
    ]
    for (const [name, text, index] of cases) t.same(verify(text), { code: 'audit-damaged', index }, name)
    const inside: [string, string[], number][] = [
      ['one is missing', LINES.toSpliced(9, 1), 9],
      ['one is doubled', LINES.toSpliced(9, 0, LINES[8]!), 9],
      ['two are exchanged', LINES.with(9, LINES[10]!).with(10, LINES[9]!), 9],
    ]
    for (const [name, lines, index] of inside)
      t.same(
        verify(joined(lines), { leafAt: leavesOf(EXPORT.leaves) }),
        { code: 'audit-damaged', index },
        name,
      )
    t.same(
      verify('x'.repeat(MAX_LINE_BYTES + 1)),
      { code: 'audit-damaged', index: 0 },
      'a line without an end',
    )
  },
)

t.test('When the checkpoint or the nodes are not those of the log, then nothing verifies', async t => {
  const other = formatVerifierKey(ORIGIN, generateKeyPairSync('ed25519').publicKey)
  t.match(verify(EXPORT.text, { verifierKey: other }), { code: 'bad-checkpoint' })
  t.match(verify(EXPORT.text, { verifierKey: 'x' }), { code: 'bad-key' })
  t.match(verify(EXPORT.text, { checkpoint: exportOf(LINES.slice(1)).checkpoint }), { code: 'audit-damaged' })
  const { text, prefix } = exportOf(LINES, 20)
  const nodes = prefix.nodes.with(0, prefix.nodes[1]!)
  t.same(verify(text, { nodes: formatPrefix({ first: 20, nodes }) }), { code: 'audit-damaged', index: null })
  t.match(verify(text, { nodes: formatPrefix(exportOf(LINES, 21).prefix) }), { code: 'audit-damaged' })
  const tooLong = formatPrefix({ first: 64, nodes: [new Uint8Array(32)] })
  t.match(verify(text, { nodes: tooLong }), { code: 'audit-damaged' })
})

t.test('When nodes.json is anything else than what is written there, then there is one error', async t => {
  const good = formatPrefix(exportOf(LINES, 5).prefix)
  t.same(formatPrefix(parsePrefix(good)), good)
  const refused = (text: string) => {
    try {
      parsePrefix(text)
      return false
    } catch (error) {
      return error instanceof AuditError && error.code === 'audit-damaged'
    }
  }
  const texts = [
    good.trimEnd(),
    ` ${good}`,
    good.replace('"first":5', '"first":7'),
    good.replace('"first":5', '"first":5.5'),
    good.replace('"first":5', '"first":-5'),
    good.replace('=', ''),
    'null\n',
    '[]\n',
    '{"first":0}\n',
    '{"first":1,"nodes":[7]}\n',
    '['.repeat(100_000),
  ]
  t.same(
    texts.filter(text => !refused(text)),
    [],
  )
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), refused))
})

const PYTHON3 = process.env.CLAVIGER_PYTHON ?? 'python3'
const INDEPENDENT = `
import base64, hashlib, json, sys, zlib
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
v = json.load(sys.stdin)
sha = lambda *parts: hashlib.sha256(b"".join(parts)).digest()
lines = v["json"].encode().split(b"\\n")[:-1]
for line in lines:
    body, crc = line[:-18], json.loads(line)["crc"]
    assert line == body + b',"crc":"' + crc.encode() + b'"}' and int(crc, 16) == zlib.crc32(body), "crc"
leaves = [sha(b"\\x00", line) for line in lines]
assert [leaf.hex() for leaf in leaves] == v["leaves"].split(), "leaves"
root = sha(b"\\x01", sha(b"\\x01", leaves[0], leaves[1]), leaves[2])
assert root.hex() == v["root"].strip(), "root"
left, right = map(bytes.fromhex, v["inclusion"].split())
assert sha(b"\\x01", sha(b"\\x01", left, leaves[1]), right) == root, "inclusion"
name, key_id, typed = v["key"].strip().split("+", 2)
typed = base64.b64decode(typed)
assert typed[0] == 1 and sha(name.encode(), b"\\n", typed)[:4].hex() == key_id, "key id"
body, signatures = v["checkpoint"].split("\\n\\n")
assert body == "\\n".join([name, "3", base64.b64encode(root).decode()]), "checkpoint"
dash, signer, blob = signatures.rstrip("\\n").split(" ")
blob = base64.b64decode(blob)
assert dash == "\\u2014" and signer == name and blob[:4].hex() == key_id, "signature line"
Ed25519PublicKey.from_public_bytes(typed[1:]).verify(blob[4:], (body + "\\n").encode())
print("the same")
`

const specification = readFileSync(new URL('../../docs/formats/audit.md', import.meta.url), 'utf8')
const blocks: Record<string, string> = Object.fromEntries(
  [...specification.split('## Test vector')[1]!.matchAll(/```(\w+)\n(.*?)```/gs)].map(([, name, body]) => [
    name,
    body,
  ]),
)

t.test('When the vector of the specification is made again, then it is the same', async t => {
  const { lines, ...others } = vector()
  t.same(blocks, { json: lines, ...others })
})

// In CI a Python that is missing is a failure, elsewhere it is said.
const hasPython = spawnSync(PYTHON3, ['-c', 'import cryptography']).status === 0
const skip = hasPython || process.env.CI ? false : 'python3 with the package cryptography is missing'

t.test('When Python reads the vector, then it finds the same hashes and signatures', { skip }, async t => {
  const run = (input: object) =>
    spawnSync(PYTHON3, ['-c', INDEPENDENT], { input: JSON.stringify(input), encoding: 'utf8' })
  const { stdout, stderr } = run(blocks)
  t.equal(stdout, 'the same\n', stderr)
  for (const [name, body] of Object.entries(blocks)) {
    const at = Math.floor(body.length / 2)
    const changed = body.slice(0, at) + (body[at] === '0' ? '1' : '0') + body.slice(at + 1)
    t.not(run({ ...blocks, [name]: changed }).status, 0, `it does not agree to another ${name}`)
  }
})
