/**
 * How many instances a revision should have, after Knative's autoscaler (KPA): the average concurrency over a long stable window
 * decides, unless a short panic window sees a burst, which may only scale up.
 */
export interface ScaleSettings {
  /** Share of an instance's concurrency that it should be used to. */
  readonly utilization: number
  /** Concurrency of an instance that is reckoned with at most. */
  readonly concurrencyMax: number
  readonly stableWindowMs: number
  readonly panicWindowMs: number
  /** Panic begins when the burst needs this many times what is there. */
  readonly panicThreshold: number
  /** One decision multiplies by at most, and divides by at most. */
  readonly upRateMax: number
  readonly downRateMax: number
  /** The last instance stays for this long after the stable window has seen no request. */
  readonly zeroGraceMs: number
}

export const SCALE_SETTINGS: ScaleSettings = {
  utilization: 0.7,
  concurrencyMax: 100,
  stableWindowMs: 60_000,
  panicWindowMs: 6000,
  panicThreshold: 2,
  upRateMax: 1000,
  downRateMax: 2,
  zeroGraceMs: 30_000
}
/** How often a decision is made. */
export const SCALE_TICK_MS = 2000

/** Average concurrency since the sample before, requests that wait included. */
export interface LoadSample {
  readonly atMs: number
  readonly concurrency: number
}

/** What one decision leaves for the next. */
export interface ScaleState {
  /** Last time the panic threshold was passed; undefined when there is no panic. */
  readonly panickedAtMs?: number
  /** Largest number wanted since the panic began. */
  readonly panicPeak?: number
  /** Since when nothing is wanted of what runs. */
  readonly zeroSinceMs?: number
}

export interface ScaleQuestion {
  /** Oldest first. */
  readonly samples: readonly LoadSample[]
  readonly nowMs: number
  /** Instances that serve now. */
  readonly ready: number
  readonly concurrency: number
  readonly scaleMin: number
  readonly scaleMax: number
  readonly state: ScaleState
  readonly settings: ScaleSettings
}

export function decideScale(question: ScaleQuestion): {readonly desired: number; readonly state: ScaleState} {
  const {samples, nowMs, settings, ready} = question
  const target = Math.max(1, Math.min(question.concurrency, settings.concurrencyMax) * settings.utilization)
  const wantedStable = average(samples, nowMs - settings.stableWindowMs) / target
  const wantedPanic = average(samples, nowMs - settings.panicWindowMs) / target
  const stable = withinRates(Math.ceil(wantedStable), question)
  const panic = withinRates(Math.ceil(wantedPanic), question)

  const over = Math.ceil(wantedPanic) / Math.max(1, ready) >= settings.panicThreshold
  const panickedAtMs = over ? nowMs : stillPanicked(question)
  const panicPeak = panickedAtMs === undefined ? undefined : Math.max(question.state.panicPeak ?? 0, stable, panic, ready)
  const wanted = panicPeak ?? stable

  // Not while nothing runs: what is started for others than those who wait must not be ended at once.
  const zeroSinceMs = wanted === 0 && ready > 0 ? (question.state.zeroSinceMs ?? nowMs) : undefined
  const inGrace = zeroSinceMs !== undefined && nowMs - zeroSinceMs < settings.zeroGraceMs
  const desired = Math.min(question.scaleMax, Math.max(question.scaleMin, inGrace ? 1 : wanted))
  return {
    desired,
    state: {
      ...(panickedAtMs !== undefined && {panickedAtMs}),
      ...(panicPeak !== undefined && {panicPeak}),
      ...(zeroSinceMs !== undefined && {zeroSinceMs})
    }
  }
}

/** A panic lasts until its threshold was not passed for a whole stable window. */
function stillPanicked({state, nowMs, settings}: ScaleQuestion): number | undefined {
  return state.panickedAtMs !== undefined && nowMs - state.panickedAtMs < settings.stableWindowMs ? state.panickedAtMs : undefined
}

function withinRates(wanted: number, {ready, settings}: ScaleQuestion): number {
  const most = Math.ceil(settings.upRateMax * Math.max(1, ready))
  const least = Math.floor(ready / settings.downRateMax)
  return Math.min(most, Math.max(least, wanted))
}

function average(samples: readonly LoadSample[], sinceMs: number): number {
  let sum = 0
  let count = 0
  for (let at = samples.length - 1; at >= 0; at -= 1) {
    const sample = samples[at]
    if (sample === undefined || sample.atMs <= sinceMs) break
    sum += sample.concurrency
    count += 1
  }
  return count === 0 ? 0 : sum / count
}
