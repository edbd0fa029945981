import {createGateway} from '../../src/gateway/gateway.ts'
import {createLog} from '../../src/telemetry/log.ts'
import {benchTable, keyOf, setupSchema} from './roles.ts'

/** The real gateway with everything on; its table comes from the bench instead of a coordinator. Sends its addresses when it stands. */
const setup = setupSchema.parse(JSON.parse(process.argv[2] ?? ''))
const signed = benchTable(setup, Date.now())
const gateway = await createGateway({
  dataDirectory: setup.directory,
  key: keyOf(setup.gateway),
  network: setup.network,
  coordinatorKey: keyOf(setup.coordinator).publicKey,
  source: {
    routesTable: (after, _waitMs, signal) =>
      after < signed.version
        ? Promise.resolve({signed})
        : new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason), {once: true}))
  },
  listen: {host: '127.0.0.1', port: 0},
  tunnelListen: {host: '127.0.0.1', port: 0},
  log: createLog({role: 'gateway', env: process.env, levelDefault: 'error'}),
  now: Date.now,
  monotonicMs: () => performance.now(),
  random: Math.random,
  onFatal: (error) => {
    throw error
  }
})
process.on('message', () => void gateway.close().then(() => process.disconnect()))
process.send?.({publicUrl: gateway.publicUrl, tunnelUrl: gateway.tunnelUrl})
