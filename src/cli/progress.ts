import {formatDurationMs} from './format.ts'

/** A step that takes longer than this is named while it runs. */
const NAMED_AFTER_MS = 1000
const REDRAW_MS = 250

export interface Progress {
  /**
   * Does one step, named in the words "Building the image": "… 1.2 s" when done, "… failed after 1.2 s" when it throws. `note` says how far it has
   * come: "… 3 of 12 MiB, 1.2 s".
   */
  step<T>(name: string, work: (note: (text: string) => void) => Promise<T>): Promise<T>
  /** One line of talk between steps. */
  say(text: string): void
}

/** The stream that progress is written to: a terminal is redrawn, anything else gets whole lines. */
export interface ProgressStream {
  readonly isTTY?: boolean | undefined
  write(text: string): unknown
}

export function createProgress(options: {readonly stream: ProgressStream; readonly silent: boolean}): Progress {
  const write = (text: string): void => {
    if (!options.silent) options.stream.write(text)
  }
  const live = options.stream.isTTY === true
  return {
    step: (name, work) => doStep({name, write, live}, work),
    say: (text) => write(`${text}\n`)
  }
}

async function doStep<T>(
  step: {readonly name: string; readonly write: (text: string) => void; readonly live: boolean},
  work: (note: (text: string) => void) => Promise<T>
): Promise<T> {
  const startedAtMs = performance.now()
  let noted = ''
  const elapsed = (): string => noted + formatDurationMs(performance.now() - startedAtMs)
  const done = (end: string): void => step.write(step.live ? `\r\x1b[K${step.name} … ${end}\n` : `${step.name} … ${end}\n`)
  const stopNaming = nameWhileRunning(step, elapsed)
  try {
    const result = await work((text) => {
      noted = text === '' ? '' : `${text}, `
    })
    stopNaming()
    done(elapsed())
    return result
  } catch (error) {
    stopNaming()
    noted = ''
    done(`failed after ${elapsed()}`)
    throw error
  }
}

function nameWhileRunning(
  step: {readonly name: string; readonly write: (text: string) => void; readonly live: boolean},
  elapsed: () => string
): () => void {
  if (step.live) {
    step.write(`${step.name} …`)
    const timer = setInterval(() => step.write(`\r\x1b[K${step.name} … ${elapsed()}`), REDRAW_MS).unref()
    return () => clearInterval(timer)
  }
  const timer = setTimeout(() => step.write(`${step.name} …\n`), NAMED_AFTER_MS).unref()
  return () => clearTimeout(timer)
}
