import {formatBytes} from '../core/units.ts'
import {leftText, type StatusReport} from '../miner/status-report.ts'
import {renderTable} from './table.ts'
import {termsText} from './terms-text.ts'

const MINUTE_MS = 60_000

/** What a volunteer wants to know, in the order in which they want to know it. */
export function minerStatusText(report: StatusReport): string {
  return [
    `${report.running ? 'Running' : 'Not running'} as ${report.node}. Last heartbeat: ${report.lastHeartbeat ?? 'never'}${everyText(report)}.`,
    ...(report.noWork === null ? [] : [`No work: ${report.noWork}`]),
    ...report.gateways.map((gateway) => reachText(gateway, report.leases.length > 0)),
    ...(report.earnings.length === 0 ? [] : ['', earningsTable(report)]),
    ...(report.owner === null || report.owner.available.length === 0 ? [] : ['', availableTable(report.owner)]),
    ...(report.leases.length === 0 ? [] : ['', leaseTable(report)]),
    '',
    `${report.instances.length === 1 ? '1 instance runs' : `${report.instances.length} instances run`}; ${formatBytes(report.dataMovedBytes)} passed through, ${formatBytes(report.imageBytes)} of images fetched.`,
    ...restingText(report.resting),
    `${formatBytes(report.dataUsedBytes)} of data used this month, ${formatBytes(report.diskUsedBytes)} of disk.`,
    ...reputationText(report.reputation),
    termsText(report.lends),
    ...(report.receiptsWaiting === 0 ? [] : [`${report.receiptsWaiting} receipts wait for the coordinator.`]),
    ...report.receiptsRejected.map(({id, code, message}) => `Rejected receipt ${id}: ${message} (${code})`)
  ].join('\n')
}

/** Says that a heartbeat of some minutes ago is no old one. */
function everyText({running, heartbeatEveryMs}: StatusReport): string {
  if (!running || heartbeatEveryMs < MINUTE_MS) return ''
  return ` (at least every ${Math.round(heartbeatEveryMs / MINUTE_MS)} minutes)`
}

function restingText({frozen, initialised, created, memoryBytes}: StatusReport['resting']): string[] {
  if (frozen + initialised + created === 0) return []
  return [`${frozen} wait frozen, ${initialised} initialised, ${created} created, with ${formatBytes(memoryBytes)} of memory.`]
}

function reputationText(reputation: StatusReport['reputation']): string[] {
  if (reputation === null || reputation.gateways === 0) return []
  const {standing, score, reasons} = reputation
  const consequence = standing === 'poor' ? 'New work goes to other nodes first, until what gateways see of it is better.' : ''
  return [[`Reputation: ${standing} (${score} of 100).`, consequence, ...reasons].filter(Boolean).join(' ')]
}

function reachText(gateway: StatusReport['gateways'][number], isLeased: boolean): string {
  const {name, connected, roundTripMs, leftUntil, reachedAt, reachedInMs, unreachedSince} = gateway
  if (leftUntil !== null) return `${leftText(name)}. It is tried again at ${leftUntil}.`
  const last = reachedAt === null ? 'never before' : `last at ${reachedAt}`
  if (!connected && !isLeased) return `Gateway ${name} is not connected: gateways take nodes that hold a lease.`
  if (!connected) return `Gateway ${name} can't be reached${unreachedSince === null ? '' : ` since ${unreachedSince}, ${last}`}.`
  if (unreachedSince !== null)
    return `Gateway ${name} is connected; requests at its address don't get here since ${unreachedSince}, ${last}.`
  if (reachedAt !== null) return `Gateway ${name}: a request at its address got here and back in ${reachedInMs} ms, ${last}.`
  return roundTripMs === null
    ? `Gateway ${name} is connected and has not answered yet.`
    : `Gateway ${name} answered on the control connection in ${roundTripMs} ms; the way from its address is not tested yet.`
}

function earningsTable(report: StatusReport): string {
  return renderTable(report.earnings, [
    {header: 'EARNED HERE', value: ({incentive}) => incentive},
    {header: 'PAID', value: ({paid, paidMinor}) => paid ?? `${paidMinor} minor units`, align: 'right'},
    {header: 'WAITING', value: ({pending, pendingMinor}) => pending ?? `${pendingMinor} minor units`, align: 'right'}
  ])
}

function availableTable(owner: NonNullable<StatusReport['owner']>): string {
  return renderTable(owner.available, [
    {header: "OWNER'S BALANCE", value: ({asset}) => asset},
    {header: 'AVAILABLE', value: ({amount}) => amount, align: 'right'}
  ])
}

function leaseTable(report: StatusReport): string {
  return renderTable(report.leases, [
    {header: 'LEASE', value: ({id}) => id},
    {header: 'FUNCTION', value: (lease) => lease.function},
    {header: 'ENDS', value: ({ends}) => ends},
    {header: 'STATE', value: stateOf}
  ])
}

function stateOf({budgetEmpty, imageReady, imageProgress}: StatusReport['leases'][number]): string {
  if (budgetEmpty) return 'budget used up'
  if (imageReady) return 'ready'
  if (imageProgress === null) return 'waits for its image'
  return `fetching image, ${formatBytes(imageProgress.doneBytes)} of ${formatBytes(imageProgress.totalBytes)}`
}
