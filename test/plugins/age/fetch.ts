/** `node bootstrap.mjs test/plugins/age/fetch.ts`: gets the newer programs that the tests of the plugin also use. Says what it could not get. */
import { fetchProgram, NEWER } from './programs.ts'

for (const name of NEWER)
  try {
    await fetchProgram(name)
    process.stdout.write(`${name}: here\n`)
  } catch (error) {
    process.stdout.write(`${name}: not to be had: ${(error as Error).message}\n`)
  }
