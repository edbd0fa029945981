import {CreoError} from '../core/errors.ts'
import type {RuntimeProbe} from '../runtime/port.ts'

interface Choice {
  /** Work on a host that can't enforce limits; in a development network alone. */
  readonly allowUnlimited: boolean
  readonly network: {readonly kind: 'production' | 'development'}
}

/** Limits are enforced, or this is a network for trying out whose user said that they need not be. */
export function takesWork({allowUnlimited, network}: Choice, probe: RuntimeProbe): boolean {
  return probe.enforcesLimits || (allowUnlimited && network.kind === 'development')
}

/** @throws {CreoError} `not_a_host_of_limits`, unless work is taken all the same. */
export function refuseUnlimited(choice: Choice, probe: RuntimeProbe): void {
  if (takesWork(choice, probe)) return
  throw new CreoError(
    'not_a_host_of_limits',
    `${probe.name} does not enforce limits here: ${probe.problems.join(' ') || 'no reason is known.'}`,
    {
      hint:
        choice.network.kind === 'development'
          ? 'Run creo doctor --fix, or add --allow-unlimited in this development network.'
          : 'Run creo doctor --fix: it shows what would mend that, and asks.'
    }
  )
}
