import {join} from 'node:path'
import {handOver} from './hand-over.mjs'
import {ROOT} from './places.mjs'
import {setUp} from './set-up.mjs'

const node = await setUp({programs: ['xz']})
await handOver(node, [join(ROOT, 'packaging', 'package', 'package.ts'), ...process.argv.slice(2)])
