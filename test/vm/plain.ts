/**
 * Our sources as plain JavaScript. Stripping types takes WebAssembly, and an emulated machine with several processors now
 * and then crashes a process that compiles that; as in the image, there is none in the guest.
 */
import { stripTypeScriptTypes } from 'node:module'

/** @returns the name under which {@link asJavaScript} expects a file */
export function plainName(path: string): string {
  return path.replace(/\.ts$/, '.js')
}

/** Strips types, line by line, and names other files as {@link plainName} does, in imports and in all other strings. */
export function asJavaScript(source: string): string {
  return stripTypeScriptTypes(source).replace(/([\w}])\.ts(?=['"`])/g, '$1.js')
}
