/** Where progress is told, step by step: a terminal, or nowhere. `note` says how far the step has come; its last words stay. */
export interface StepPort {
  step<T>(name: string, work: (note: (text: string) => void) => Promise<T>): Promise<T>
}

export interface StepTime {
  readonly name: string
  readonly ms: number
}

/** Passes steps on and keeps how long each took. */
export function timedSteps(port: StepPort, nowMs: () => number): {readonly port: StepPort; readonly times: readonly StepTime[]} {
  const times: StepTime[] = []
  return {
    times,
    port: {
      step: async (name, work) => {
        const startedAtMs = nowMs()
        const result = await port.step(name, work)
        times.push({name, ms: Math.round(nowMs() - startedAtMs)})
        return result
      }
    }
  }
}
