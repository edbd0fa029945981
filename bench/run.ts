import {readdirSync} from 'node:fs'
import {parseArgs} from 'node:util'
import {errorBlock, errorJson, exitCodeOf, toCreoError} from '../src/cli/error-words.ts'
import {type Figure, renderReport, report} from './form.ts'

/** Files of this folder that are no bench. */
const NOT_BENCHES = new Set(['run', 'form'])

/** What a file `bench/NAME.ts` exports. Talk goes to stderr; the figures are the answer. */
export interface Bench {
  /** `idleMs`: how long what is measured at rest has rested before. */
  measure(options: {readonly signal: AbortSignal; say(text: string): void; readonly idleMs: number}): Promise<readonly Figure[]>
}

const {values, positionals} = parseArgs({
  allowPositionals: true,
  options: {json: {type: 'boolean', default: false}, idle: {type: 'string', default: '60'}}
})
const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.slice(0, -'.ts'.length))
  .filter((name) => !NOT_BENCHES.has(name))
  .sort()
const [wanted] = positionals
const idleSeconds = Number(values.idle)

if (positionals.length !== 1 || wanted === undefined || !names.includes(wanted) || !(idleSeconds >= 0)) {
  process.stderr.write(` ›   Error: ${wanted === undefined ? 'No bench is named' : `There is no bench "${wanted}"`}.\n`)
  process.stderr.write(
    ` ›   Code: usage\n ›   Try this: npm run bench -- NAME [--json] [--idle SECONDS], NAME one of ${names.join(', ')}\n`
  )
  process.exitCode = 2
} else await runBench(wanted)

async function runBench(name: string): Promise<void> {
  const interruption = new AbortController()
  const interrupt = (): void => interruption.abort()
  // Not once: execa ends the process itself when it finds that nobody else listens any more.
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  try {
    const {measure} = (await import(`./${name}.ts`)) as Bench
    const figures = await measure({
      signal: interruption.signal,
      say: (text) => void process.stderr.write(`${text}\n`),
      idleMs: idleSeconds * 1000
    })
    const result = report(name, figures)
    process.stdout.write(`${values.json ? JSON.stringify(result, null, 2) : renderReport(result)}\n`)
  } catch (error) {
    sayError(error, {commandLine: `npm run bench -- ${name}`, interrupted: interruption.signal.aborted})
  } finally {
    process.off('SIGINT', interrupt)
    process.off('SIGTERM', interrupt)
  }
}

/** In creo's words; a fault of the bench itself, with where it happened. */
function sayError(error: unknown, context: {readonly commandLine: string; readonly interrupted: boolean}): void {
  const said = toCreoError(error, context)
  if (values.json) process.stdout.write(`${JSON.stringify(errorJson(said))}\n`)
  process.stderr.write(errorBlock(said, {debug: said.code === 'internal'}))
  process.exitCode = exitCodeOf(said)
}
