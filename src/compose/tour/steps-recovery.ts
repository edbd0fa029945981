import {z} from 'zod'
import {pause} from '../pause.ts'
import {askForPrimes} from './load.ts'
import {mustHold} from './must-hold.ts'
import {everythingPaid} from './receipts-paid.ts'
import {shopUrl} from './steps-apps.ts'
import {ORGS} from './steps-network.ts'
import type {TourStep} from './tour.ts'

/** How long requests run before, without, and after the coordinator. */
const PHASE_MS = 1500
const REQUESTS_MAX = 100_000

export const recoverySteps: readonly TourStep[] = [
  {
    id: 'coordinator_killed',
    title: 'The coordinator is killed while requests run: none fails',
    run: async (world) => {
      const before = await everythingPaid(world, ORGS.shop)
      const end = new AbortController()
      let answers = 0
      const onAnswer = (): void => {
        answers += 1
      }
      const running = askForPrimes(shopUrl(world), {count: REQUESTS_MAX, until: end.signal, onAnswer, signal: world.signal})
      await pause(PHASE_MS, world.signal)
      await world.network.role('coordinator').kill()
      const atKill = answers
      await pause(PHASE_MS, world.signal)
      const answeredWithout = answers - atKill
      const restartedAtMs = performance.now()
      const role = await world.network.startCoordinator()
      const restartMs = Math.round(performance.now() - restartedAtMs)
      await pause(PHASE_MS, world.signal)
      end.abort()
      const load = await running
      mustHold(load.sent > 0 && load.answered === load.sent, `all ${load.sent} requests are answered: ${load.failures.join('; ')}`)
      mustHold(answeredWithout > 0, 'requests are answered while there is no coordinator')
      const after = await everythingPaid(world, ORGS.shop, before.served + load.answered)
      mustHold(after.paid - before.paid === load.sent, `each of the ${load.sent} requests is paid once; ${after.paid - before.paid} were`)
      world.found(`${load.sent} requests, none failed, slowest ${load.slowestMs} ms; every one paid once`)
      return {
        requests: load.sent,
        failed: 0,
        answeredWithoutCoordinator: answeredWithout,
        paid: after.paid - before.paid,
        slowestMs: load.slowestMs,
        restartMs,
        coordinatorPid: role.pid
      }
    }
  },
  {
    id: 'verify',
    title: 'The ledger is verified: every signature, every balance',
    run: async (world) => {
      const report = await world.creo(
        ['ledger', 'verify', '--data', world.network.coordinatorDirectory],
        z.looseObject({holds: z.literal(true), groups: z.int(), commands: z.int(), signaturesChecked: z.int(), headHash: z.string()})
      )
      mustHold(report.signaturesChecked > 0 && report.commands > 0, 'there was something to verify')
      world.found(`${report.commands} commands in ${report.groups} groups, ${report.signaturesChecked} signatures`)
      return {...report}
    }
  }
]
