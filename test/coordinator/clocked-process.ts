import {pino} from 'pino'
import {startCoordinator} from '../../src/coordinator/server.ts'

/** A coordinator in a process of its own, whose clock is so many ms ahead: `node clocked-process.ts DIRECTORY AHEAD_MS`. Prints its URL. */
const [directory = '', aheadMs = '0'] = process.argv.slice(2)
const nowMs = (): number => Date.now() + Number(aheadMs)
const log = pino({level: 'silent'})
const {url} = await startCoordinator(
  {directory, host: '127.0.0.1', port: 0, version: '0.0.0-test', nowMs, log},
  new AbortController().signal
)
process.stdout.write(`${url}\n`)
