/** The label of RSA-OAEP that binds a value to its place: the bytes of a context (docs/formats/envelope.md, "Context"), read back. */
import { type Context, contextInfo } from '../../../protocol/envelope/context.ts'

/** Text, then four parts after their lengths of two bytes. */
const PREFIX = 'claviger/field/v1'.length
const PARTS = 4

/** @returns `null` for what is the label of no place */
export function readContextLabel(label: Uint8Array): Context | null {
  const bytes = Buffer.from(label.buffer, label.byteOffset, label.length)
  const parts: string[] = []
  let at = PREFIX
  for (let i = 0; i < PARTS; i++) {
    if (at + 2 > bytes.length) return null
    const end = at + 2 + bytes.readUInt16BE(at)
    if (end > bytes.length) return null
    parts.push(bytes.toString('utf8', at + 2, end))
    at = end
  }
  const [namespace = '', key = '', field = '', record = ''] = parts
  const context = { namespace, key, field, record }
  try {
    // one form only: what was read gives the same bytes again
    return Buffer.compare(contextInfo(context), bytes) === 0 ? context : null
  } catch {
    return null
  }
}
