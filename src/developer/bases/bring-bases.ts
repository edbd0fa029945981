import {BASE_NAMES, type BaseName, baseDirectory, findBase, readBaseLock} from '../../images/bases.ts'
import type {Digest} from '../../images/digest.ts'
import type {StepPort} from '../steps.ts'
import {makeBase} from './make-base.ts'

export interface MadeBase {
  readonly base: BaseName
  readonly digest: Digest
  /** An OCI layout. */
  readonly layout: string
  readonly status: 'made' | 'already_made'
}

/** Has one base in a folder, or all of them; what lies there already stays. @throws {CreoError} as `makeBase` does. */
export async function bringBases(options: {
  readonly base: string | undefined
  readonly folder: string
  readonly steps: StepPort
  readonly signal: AbortSignal
}): Promise<readonly MadeBase[]> {
  const {base: wanted, folder, steps, signal} = options
  const {bases} = await readBaseLock()
  const made: MadeBase[] = []
  const names = BASE_NAMES.filter((name) => wanted === undefined || name === wanted)
  const there = await Promise.all(names.map((name) => findBase(folder, {name, digest: bases[name]})))
  const missing = names.filter((_name, index) => there[index] === undefined)
  for (const base of names) {
    const digest = bases[base]
    const isMissing = missing.includes(base)
    const next = missing.slice(missing.indexOf(base) + 1)
    if (isMissing) await steps.step(`Making creo/${base}`, (note) => makeBase({name: base, basesDirectory: folder, note, next, signal}))
    made.push({base, digest, layout: baseDirectory(folder, base, digest), status: isMissing ? 'made' : 'already_made'})
  }
  return made
}
