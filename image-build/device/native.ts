/** Stands in for `node-gyp-build` in the image: there is one native module, at one place. */
import { createRequire } from 'node:module'

/** What it was asked for with the directory of a package; there is but one. */
export default function load(): unknown {
  return createRequire('/usr/lib/claviger/')('./serialport.node')
}
