import {createRequire} from 'node:module'
import {dirname, join} from 'node:path'

/** The npm that creo brings: a script for the Node that this process runs on. There may be no other on the machine. */
export function npmProgram(): string {
  return join(dirname(createRequire(import.meta.url).resolve('npm/package.json')), 'bin', 'npm-cli.js')
}
