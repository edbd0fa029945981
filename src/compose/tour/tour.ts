import type {z} from 'zod'
import {ask} from '../ask.ts'
import type {DevNetwork} from '../dev-network.ts'
import type {Progress} from '../progress-port.ts'
import {mustHold} from './must-hold.ts'

/** What a step found and checked: amounts as decimal strings, digests, ids. */
export type Facts = Readonly<Record<string, unknown>>

/** What the steps share: the network they run on, and how they say which commands they gave. */
export interface TourWorld {
  readonly network: DevNetwork
  readonly signal: AbortSignal
  /** Folder of creo itself, where `examples/` and `apps/` are. */
  readonly root: string
  /** Runs a creo command and shows it, so that a reader can do the same. */
  creo<T>(args: readonly string[], answer: z.ZodType<T>): Promise<T>
  /** Reads the coordinator's public API, as anybody may. */
  read<T>(path: string, answer: z.ZodType<T>): Promise<T>
  /** Says one thing that was found, below the step. */
  found(text: string): void
}

export interface TourStep {
  readonly id: string
  readonly title: string
  run(world: TourWorld): Promise<Facts>
}

export interface StepReport {
  readonly id: string
  readonly title: string
  readonly ms: number
  readonly commands: readonly string[]
  readonly facts: Facts
}

/** Does the steps one after the other and gives what each found; the first that does not hold ends the tour with `verification_failed`. */
export async function* runTour(
  steps: readonly TourStep[],
  tour: {readonly network: DevNetwork; readonly root: string; readonly progress: Progress; readonly signal: AbortSignal}
): AsyncGenerator<StepReport, void> {
  for (const [index, step] of steps.entries()) yield await runStep(step, tour, `${index + 1}/${steps.length}`)
}

async function runStep(step: TourStep, tour: Parameters<typeof runTour>[1], number: string): Promise<StepReport> {
  const commands: string[] = []
  const said: string[] = []
  tour.network.tellCommands((args) => commands.push(commandLine(args)))
  const world: TourWorld = {
    network: tour.network,
    signal: tour.signal,
    root: tour.root,
    creo: async (args, answer) => answer.parse(await tour.network.run(args)),
    read: async (path, answer) => {
      const {status, text} = await ask(`${tour.network.coordinatorUrl}${path}`, {signal: tour.signal})
      mustHold(status === 200, `GET ${path} answers 200, it answered ${status} ${text.slice(0, 200)}`)
      return answer.parse(JSON.parse(text))
    },
    found: (text) => said.push(text)
  }
  const startedAtMs = performance.now()
  const facts = await tour.progress.step(`${number}  ${step.title}`, () => runUnlessInterrupted(step, world))
  for (const command of commands) tour.progress.say(`       $ creo ${command}`)
  for (const text of said) tour.progress.say(`       ${text}`)
  return {
    id: step.id,
    title: step.title,
    ms: Math.round(performance.now() - startedAtMs),
    commands: commands.map((command) => `creo ${command}`),
    facts
  }
}

/** What was cut off by Ctrl-C did not fail. */
async function runUnlessInterrupted(step: TourStep, world: TourWorld): Promise<Facts> {
  try {
    return await step.run(world)
  } catch (error) {
    world.signal.throwIfAborted()
    throw error
  }
}

/** One-use tokens are shown as what they are for, never as what they are. */
function commandLine(args: readonly string[]): string {
  return args.map((arg, index) => (args[index - 1] === '--token' ? '…' : /[\s"]/.test(arg) ? JSON.stringify(arg) : arg)).join(' ')
}
