import {setImmediate as turn} from 'node:timers/promises'
import {type Figure, figure} from './form.ts'
import type {Bench} from './run.ts'
import {type Outcome, type Policy, simulate} from './volume-limit/simulation.ts'

/** `CREO_BENCH_SCALE=0.1` takes so many fewer seeds, to try things out. */
const SEEDS = Math.max(1, Math.round(20 * Number(process.env.CREO_BENCH_SCALE ?? 1)))
const ALL = 1000
const QUARTER = 250

const OFF: Policy = {name: 'off', limitDays: null, ownerSharePermille: ALL}
/** What a first deploy sets and what the ledger does with it. */
const DEFAULT: Policy = {name: 'default', limitDays: 3, ownerSharePermille: QUARTER}
/** What else was tried: ADR 19 says what each would mean. */
const VARIANTS: readonly Policy[] = [
  {name: 'half', limitDays: 1.5, ownerSharePermille: QUARTER},
  {name: 'bands', limitDays: 3, ownerSharePermille: QUARTER, band: 0.2},
  {name: 'bands_and_leases', limitDays: 3, networkShareMax: 0.3, ownerSharePermille: QUARTER, band: 0.1, leasesWithinLimit: true}
]
const GOALS = {priceVariance: -50, largestShare: -30}

/** Does the trade volume limit do what it is for? Each seed is a network of its own, once without a limit and once under each policy. */
export const measure: Bench['measure'] = async ({signal, say}) => {
  const policies = [OFF, DEFAULT, ...VARIANTS]
  const outcomes = new Map<Policy, Outcome[]>(policies.map((policy) => [policy, []]))
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    for (const policy of policies) {
      await turn()
      signal.throwIfAborted()
      outcomes.get(policy)?.push(simulate(seed, policy))
    }
    say(`Network ${seed} of ${SEEDS} has had its month ${policies.length} times.`)
  }
  const off = outcomes.get(OFF) ?? []
  return [
    ...absolutes(OFF, off),
    ...[DEFAULT, ...VARIANTS].flatMap((policy) => {
      const on = outcomes.get(policy) ?? []
      return [...changes(policy, on, off), ...absolutes(policy, on)]
    })
  ]
}

/** Per cent, each seed beside itself without a limit. */
function changes({name}: Policy, on: readonly Outcome[], off: readonly Outcome[]): Figure[] {
  const change = (key: keyof Outcome): number[] => on.map((one, seed) => 100 * (one[key] / (off[seed]?.[key] ?? Number.NaN) - 1))
  return [
    figure({name: `${name}.price_variance_change`, unit: '%', samples: change('priceVariance'), goal: {atMost: GOALS.priceVariance}}),
    figure({name: `${name}.largest_share_change`, unit: '%', samples: change('largestShare'), goal: {atMost: GOALS.largestShare}}),
    figure({name: `${name}.largest_share_change_in_hype`, unit: '%', samples: change('largestShareInHype')}),
    figure({name: `${name}.middle_variance_change`, unit: '%', samples: change('middleVariance')}),
    figure({name: `${name}.all_variance_change`, unit: '%', samples: change('allVariance')})
  ]
}

function absolutes({name}: Policy, outcomes: readonly Outcome[]): Figure[] {
  const all = (key: keyof Outcome): number[] => outcomes.map((one) => one[key])
  return [
    figure({name: `${name}.price_variance`, unit: 'log²', samples: all('priceVariance')}),
    figure({name: `${name}.largest_share`, unit: 'of nodes', samples: all('largestShare')}),
    figure({name: `${name}.largest_share_in_hype`, unit: 'of nodes', samples: all('largestShareInHype')}),
    figure({name: `${name}.price_peak`, unit: 'Gutta', samples: all('peak')}),
    figure({name: `${name}.customers_served`, unit: 'of them', samples: all('served')})
  ]
}
