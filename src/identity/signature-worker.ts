import assert from 'node:assert'
import {parentPort} from 'node:worker_threads'
import {type PackedChecks, unpackChecks} from './packed-checks.ts'
import {verifyBytes} from './verify-bytes.ts'

/** A thread that checks signatures: for each list that comes it answers, in its order, which hold. */
assert(parentPort !== null, 'signature-worker runs as a worker thread')
const port = parentPort

port.on('message', (packed: PackedChecks) => {
  port.postMessage(unpackChecks(packed).map(({publicKey, data, signature}) => verifyBytes(publicKey, data, signature)))
})
