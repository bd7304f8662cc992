#!/usr/bin/env node
// Starts the plugin on the Node that the project pins, whichever one runs this.
import { fileURLToPath } from 'node:url'
import { run } from '../../../bootstrap.mjs'

run(fileURLToPath(new URL('./main.ts', import.meta.url)), process.argv.slice(2))
