import {fileURLToPath} from 'node:url'
import {execa} from 'execa'
import {z} from 'zod'
import {type Figure, figure} from './form.ts'
import type {Bench} from './run.ts'

const ROUNDS = 3
const CREO = fileURLToPath(new URL('../bin/run.js', import.meta.url))
const tourSchema = z.looseObject({totalMs: z.number(), steps: z.array(z.looseObject({id: z.string(), ms: z.number()}))})

/** The whole loop of `npm start -- --once` after set-up, step by step: real processes, real containers, each step checked. */
export const measure: Bench['measure'] = async ({signal, say}) => {
  const tours: z.output<typeof tourSchema>[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const {stdout} = await execa(process.execPath, [CREO, 'up', '--tour', '--once', '--json'], {cancelSignal: signal})
    tours.push(tourSchema.parse(JSON.parse(stdout)))
    say(`Round ${round + 1} of ${ROUNDS} took ${((tours[round]?.totalMs ?? 0) / 1000).toFixed(1)} s.`)
  }
  const ids = tours[0]?.steps.map(step => step.id) ?? []
  const stepFigure = (id: string): Figure =>
    figure({name: `step.${id}`, unit: 'ms', samples: tours.map(tour => tour.steps.find(step => step.id === id)?.ms ?? 0)})
  return [figure({name: 'whole', unit: 'ms', samples: tours.map(tour => tour.totalMs), goal: {atMost: 30_000}}), ...ids.map(stepFigure)]
}
