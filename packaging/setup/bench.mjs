import {join} from 'node:path'
import {handOver} from './hand-over.mjs'
import {ROOT} from './places.mjs'
import {setUp} from './set-up.mjs'

const node = await setUp({containers: true})
await handOver(node, [join(ROOT, 'bench', 'run.ts'), ...process.argv.slice(2)])
