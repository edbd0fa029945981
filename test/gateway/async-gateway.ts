import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {signedTableSchema} from '../../src/core/protocol/tables.ts'
import {createGateway} from '../../src/gateway/gateway.ts'
import {loadOrCreateKeyFile} from '../../src/identity/keys.ts'
import {createLog} from '../../src/telemetry/log.ts'

/** A gateway as a process of its own, which a test kills: its table and its ports stay. */
const [directory = '', network = '', coordinatorKey = '', publicPort, tunnelPort] = process.argv.slice(2)

const signed = signedTableSchema.parse(JSON.parse(await readFile(join(directory, 'table.json'), 'utf8')))
const gateway = await createGateway({
  dataDirectory: directory,
  key: await loadOrCreateKeyFile(join(directory, 'gateway.key')),
  network,
  coordinatorKey,
  source: {
    routesTable: (after, _waitMs, signal) =>
      after < signed.version
        ? Promise.resolve({signed})
        : new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), {once: true}))
  },
  listen: {host: '127.0.0.1', port: Number(publicPort)},
  tunnelListen: {host: '127.0.0.1', port: Number(tunnelPort)},
  log: createLog({role: 'gateway', env: {CREO_LOG_LEVEL: 'silent'}}),
  now: Date.now,
  monotonicMs: () => performance.now(),
  random: Math.random,
  async: {backoffFirstMs: 20},
  onFatal: (error) => {
    process.stderr.write(`${String(error)}\n`)
    process.exit(1)
  }
})
process.stdout.write(`${JSON.stringify({public: gateway.publicUrl, tunnel: gateway.tunnelUrl})}\n`)
process.stdin.on('end', () => process.exit(0)).resume()
