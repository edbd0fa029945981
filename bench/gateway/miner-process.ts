import {connect} from 'node:net'
import {gatewayIdOf} from '../../src/identity/keys.ts'
import {attest, openProposal} from '../../src/identity/receipts.ts'
import {bindConnection} from '../../src/miner/bound-connection.ts'
import {DataPlan} from '../../src/miner/data-plan.ts'
import {keepTunnel} from '../../src/tunnel/dial.ts'
import {keyOf, setupSchema} from './roles.ts'

/** A miner's end of the tunnel whose one function is a server on a unix socket, as a container's is. */
const setup = setupSchema.parse(JSON.parse(process.argv[2] ?? ''))
const nodeKey = keyOf(setup.node)
const stop = new AbortController()
/** What passes is counted, as a miner counts it against what its owner lends. */
const data = await DataPlan.open({
  dataDirectory: setup.directory,
  terms: () => ({dataBytesPerMonth: null}),
  now: Date.now,
  timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone
})
const {functionSocket, functionPorts} = setup
const ports = new Map<string, number | undefined>()
/** Where an instance is: all at the socket, or each at a port of its own. */
function placeOf(instance: string): {readonly path: string} | {readonly port: number; readonly host: string} {
  const port = ports.get(instance)
  return port === undefined ? {path: functionSocket} : {port, host: '127.0.0.1'}
}
const greets = Promise.withResolvers<void>()
process.on('message', (message) => (message === 'greet' ? greets.resolve() : stop.abort()))
await keepTunnel({
  gateway: {id: gatewayIdOf(keyOf(setup.gateway).publicKey), tunnelUrl: setup.tunnelUrl},
  network: setup.network,
  nodeKey,
  now: Date.now,
  signal: stop.signal,
  onSession: (session) => {
    process.send?.({connected: true})
    void greets.promise.then(() => session.send({type: 'ready', instances: []}))
  },
  onMessage: (message, session) => {
    if (message.type === 'start') ports.set(message.instance, functionPorts?.[ports.size % functionPorts.length])
    if (message.type === 'start') session.send({type: 'started', instance: message.instance, tier: 'running', startMs: 0})
    if (message.type !== 'propose_receipt') return
    const {proposal, gatewaySignature} = message
    const {mibMs, bytesIn, bytesOut} = openProposal(proposal)
    session.send({type: 'receipt', receipt: attest({proposal, gatewaySignature}, {mibMs, bytesIn, bytesOut}, nodeKey)})
  },
  onLost: () => undefined,
  onBind: (instance, socket, head) =>
    void bindConnection(socket, connect({...placeOf(instance), allowHalfOpen: true}), {
      head,
      onBytes: (bytes) => data.countOrCut(bytes.in + bytes.out)
    })
})
process.disconnect()
