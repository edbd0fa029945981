import {delimiter, join} from 'node:path'
import {handOver} from './hand-over.mjs'
import {ROOT} from './places.mjs'
import {setUp} from './set-up.mjs'

/** What each bench runs besides creo. */
const PROGRAMS = {
  cli: ['xz'],
  coldstart: ['podman', 'runc', 'musl-gcc'],
  gateway: ['wrk', 'nginx', 'musl-gcc'],
  loop: ['podman'],
  memory: ['podman', 'musl-gcc']
}

const wanted = process.argv.slice(2).find((argument) => !argument.startsWith('-')) ?? ''
// Where Debian keeps nginx and runc; on the PATH of root alone.
process.env.PATH = [process.env.PATH ?? '', '/usr/sbin', '/sbin'].join(delimiter)
const node = await setUp({programs: PROGRAMS[wanted] ?? []})
await handOver(node, [join(ROOT, 'bench', 'run.ts'), ...process.argv.slice(2)])
