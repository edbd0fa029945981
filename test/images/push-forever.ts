import {RegistryAsks} from './registry-asks.ts'
import {startRegistry} from './registry-world.ts'

/**
 * A registry in a process of its own that is pushed to and collected after a short grace, at once and until it is killed: `node push-forever.ts DIRECTORY`.
 * Writes one line for each push that was answered.
 */
const [directory = ''] = process.argv.slice(2)
const ROUNDS_MAX = 10_000
/** Longer than most pushes take: those that take longer are refused, and leave parts behind. */
const GRACE_MS = 100
const {signal} = new AbortController()
const world = await startRegistry(directory)
const asks = new RegistryAsks(world.url)

async function push(): Promise<void> {
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const repository = `colibris/app/f${round % 4}`
    const image = {layers: ['base', `layer ${round % 11}`], reference: `v${round % 3}`}
    await asks.pushImage(repository, image).catch(refusedForAPart)
    if (round % 5 === 0) await asks.ask('DELETE', `${repository}/manifests/v${round % 2}`)
    process.stdout.write(`${round}\n`)
  }
}

/** A part may have gone before its manifest came: anything else is a fault. */
function refusedForAPart(error: Error): void {
  if (!error.message.includes('MANIFEST_BLOB_UNKNOWN')) throw error
}

async function collect(): Promise<void> {
  for (let round = 0; round < ROUNDS_MAX; round += 1) await world.registry.collect({graceMs: GRACE_MS, signal})
}

await Promise.all([push(), push(), collect()])
