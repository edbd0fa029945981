import {existsSync} from 'node:fs'
import {resolve} from 'node:path'
import {CreoError} from '../core/errors.ts'
import {nearestOf} from '../core/nearest.ts'
import type {FoundManifest} from './read-manifest.ts'

/**
 * The manifest with images given on the command line, each `FUNCTION=IMAGE`, or `IMAGE` alone where there is one function. Paths are the caller's, from where
 * the command runs. The command of a function that had a `source` goes with it: the image has its own.
 * @throws {CreoError} `invalid_input` when it can't be told which function is meant.
 */
export function withGivenImages(found: FoundManifest, given: readonly string[]): FoundManifest {
  const functions = {...found.manifest.functions}
  const names = Object.keys(functions)
  for (const one of given) {
    const [, named, image = ''] = /^(?:([a-z][a-z0-9-]*)=)?(.+)$/.exec(one) ?? []
    const name = named ?? (names.length === 1 ? names[0] : undefined)
    const fn = functions[name ?? '']
    if (name === undefined || fn === undefined) throw unclear(one, named, names)
    const {source, command, ...rest} = fn
    const isPath = existsSync(resolve(image))
    functions[name] = {...rest, command: source === undefined ? command : [], image: isPath ? resolve(image) : image}
  }
  return {...found, manifest: {...found.manifest, functions}}
}

function unclear(given: string, named: string | undefined, names: readonly string[]): CreoError {
  const example = `--image ${nearestOf(named ?? '', names) ?? names[0]}=${given.slice(given.indexOf('=') + 1)}`
  const message =
    named === undefined ? `The app has ${names.length} functions: which of them is ${given}?` : `The app has no function ${named}.`
  return new CreoError('invalid_input', message, {hint: `Write ${example}`})
}
