import {join} from 'node:path'
import {handOver} from './hand-over.mjs'
import {ROOT} from './places.mjs'
import {setUp} from './set-up.mjs'

// From a checkout the compiled files run as they are: of the bundle, pushing an image fails (the registry "does not answer").
process.env.CREO_BUNDLE ??= 'off'
const node = await setUp({containers: 'needed'})
await handOver(node, [join(ROOT, 'bin', 'run.js'), 'up', '--tour', ...process.argv.slice(2)])
