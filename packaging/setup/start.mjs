import {join} from 'node:path'
import {handOver} from './hand-over.mjs'
import {ROOT} from './places.mjs'
import {setUp} from './set-up.mjs'

const node = await setUp({containers: 'needed'})
await handOver(node, [join(ROOT, 'bin', 'run.js'), 'up', '--tour', ...process.argv.slice(2)])
