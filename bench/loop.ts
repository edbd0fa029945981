import {fileURLToPath} from 'node:url'
import {execa} from 'execa'
import {z} from 'zod'
import {type Figure, figure} from './form.ts'
import type {Bench} from './run.ts'

const ROUNDS = 3
/** After an interruption the tour gets this long to stop its containers and processes. */
const STOP_TIMEOUT_MS = 60_000
const ANY_PORTS = ['--coordinator-port', '0', '--gateway-port', '0', '--tunnel-port', '0']
const CREO = fileURLToPath(new URL('../bin/run.js', import.meta.url))
const tourSchema = z.looseObject({totalMs: z.number(), steps: z.array(z.looseObject({id: z.string(), ms: z.number()}))})
type Tour = z.output<typeof tourSchema>

/** The whole loop of `npm start -- --once` after set-up, step by step: real processes, real containers, each step checked. */
export const measure: Bench['measure'] = async ({signal, say}) => {
  const tours: Tour[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const {stdout} = await execa(process.execPath, [CREO, 'up', '--tour', '--once', '--json', ...ANY_PORTS], {
      cancelSignal: signal,
      forceKillAfterDelay: STOP_TIMEOUT_MS
    })
    const tour = tourSchema.parse(JSON.parse(stdout))
    tours.push(tour)
    say(`Round ${round + 1} of ${ROUNDS} took ${(tour.totalMs / 1000).toFixed(1)} s.`)
  }
  const [first] = tours
  const stepFigure = (id: string): Figure => figure({name: `step.${id}`, unit: 'ms', samples: tours.map((tour) => stepMs(tour, id))})
  return [
    figure({name: 'whole', unit: 'ms', samples: tours.map((tour) => tour.totalMs), goal: {atMost: 30_000}}),
    ...(first?.steps ?? []).map((step) => stepFigure(step.id))
  ]
}

function stepMs(tour: Tour, id: string): number {
  const step = tour.steps.find((one) => one.id === id)
  if (step === undefined) throw new Error(`one round had the step ${id}, another had not`)
  return step.ms
}
