import {COORDINATOR_KEEP_ALIVE_MS, heartbeatEveryMs, NODE_TABLE_WAIT_MAX_MS, NODE_TABLE_WAIT_SHARE_LEAST} from './protocol/api.ts'
import {TUNNEL_KEEP_ALIVE_MS, TUNNEL_PING_MS, TUNNEL_REACH_EVERY_MS} from './protocol/tunnel.ts'

/**
 * What the line of a node carries in a month in which nobody asks for its functions. Whoever changes how often something is said, or how much, finds
 * here whether a volunteer's data plan still has room for it.
 */

/** Of a node with one gateway, its probes included. */
export const IDLE_MONTH_BYTES_MAX = 20_000_000
const DAY_MS = 24 * 3_600_000
const MONTH_DAYS = 30

/** IPv4 and TCP with timestamps. */
const PACKET_BYTES = 52
/** TLS 1.3: header, type and tag. */
const RECORD_BYTES = 22
/** Question and answer, each in one packet and acknowledged by another. */
const EXCHANGE_BYTES = 4 * PACKET_BYTES + 2 * RECORD_BYTES

/** Question and answer at most, as the node's socket counts them; held against real ones by the miner's test. */
export const IDLE_SIZES = {heartbeat: 1100, tablePoll: 280, ping: 32, newTable: 5000, reach: 2000} as const
/** TLS 1.3 with a certificate that its key signed itself, for the connection in place of one that was bound. */
const HANDSHAKE_BYTES = 4096
/** TCP asks and is answered. */
const KEEP_ALIVE_BYTES = 2 * PACKET_BYTES
/** Leases are renewed, and gateways come and go: so often a day. While there is no work, each new table is followed by two heartbeats. */
const NEW_TABLES_A_DAY = 1
/** A probe may be seen to run and to have ended. */
const HEARTBEATS_A_PROBE = 2

export interface IdleMonth {
  readonly heartbeats: number
  readonly tablePolls: number
  readonly newTables: number
  /** TCP's, of the connection to the coordinator and of one idle data connection to each gateway. */
  readonly keepAlives: number
  readonly pings: number
  readonly probes: number
  /** Tests of the way from the gateway's public address. */
  readonly reaches: number
}

/** Bytes in 30 days, by what they are for. `probe` says how many probes there are and what they move without heartbeats. */
export function idleMonth(of: {
  readonly gateways: number
  readonly lostAfterMs: number
  readonly probe: {readonly probes: number; readonly bytes: number}
}): IdleMonth {
  const {gateways, lostAfterMs, probe} = of
  const times = (everyMs: number): number => (MONTH_DAYS * DAY_MS) / everyMs
  const restMs = heartbeatEveryMs(lostAfterMs) * NODE_TABLE_WAIT_SHARE_LEAST
  const heartbeat = IDLE_SIZES.heartbeat + EXCHANGE_BYTES
  return {
    heartbeats: times(restMs) * heartbeat,
    tablePolls: times(Math.min(restMs, NODE_TABLE_WAIT_MAX_MS)) * (IDLE_SIZES.tablePoll + EXCHANGE_BYTES),
    newTables: MONTH_DAYS * NEW_TABLES_A_DAY * (IDLE_SIZES.newTable + EXCHANGE_BYTES + 2 * heartbeat),
    keepAlives: (times(COORDINATOR_KEEP_ALIVE_MS) + gateways * times(TUNNEL_KEEP_ALIVE_MS)) * KEEP_ALIVE_BYTES,
    // A pong carries the acknowledgement of its ping.
    pings: gateways * times(TUNNEL_PING_MS) * (IDLE_SIZES.ping + EXCHANGE_BYTES - PACKET_BYTES),
    reaches: gateways * times(TUNNEL_REACH_EVERY_MS) * (IDLE_SIZES.reach + HANDSHAKE_BYTES + 4 * EXCHANGE_BYTES),
    probes: probe.bytes + probe.probes * HEARTBEATS_A_PROBE * heartbeat
  }
}
