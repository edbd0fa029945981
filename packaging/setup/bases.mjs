import {join} from 'node:path'
import {handOver} from './hand-over.mjs'
import {ROOT} from './places.mjs'
import {setUp} from './set-up.mjs'

const node = await setUp({build: false})
await handOver(node, [join(ROOT, 'packaging', 'bases', 'bases.ts'), ...process.argv.slice(2)])
