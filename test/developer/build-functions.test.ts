import {mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {lackingBaseLines} from '../../src/cli/deploy-text.ts'
import {CreoError} from '../../src/core/errors.ts'
import {parseManifest} from '../../src/core/manifest.ts'
import {type BuildOptions, buildFunctions, type FunctionImage} from '../../src/developer/build.ts'
import {withGivenImages} from '../../src/developer/given-images.ts'
import type {FoundManifest} from '../../src/developer/read-manifest.ts'
import type {StepPort} from '../../src/developer/steps.ts'
import {hostArchitecture} from '../../src/images/base-node.ts'

const {signal} = new AbortController()
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'creo-build-'))
  await mkdir(join(folder, 'web'))
  await writeFile(join(folder, 'web/server'), '#!/bin/sh\n')
})

afterEach(async () => {
  await rm(folder, {recursive: true, force: true})
})

test('an image that was built can be a base, and what was built upon it an image, without any registry', async () => {
  const [lower] = await build({source: './web', base: 'scratch', command: ['/app/server']})
  const layout = lower?.in === 'layout' ? lower.layoutDirectory : ''
  const [upper] = await build({source: './web', base: layout, command: ['/app/server']}, 'upper')
  expect(upper).toMatchObject({architectures: ['amd64', 'arm64'], layers: [{part: '.', cached: true}]})
  const [given] = await build({image: layout}, 'given')
  expect(given).toMatchObject({digest: lower?.digest, architectures: ['amd64', 'arm64'], layers: []})
})

test.each([
  [
    'node',
    'package.json',
    '{"dependencies": {"a": "1", "b": "1", "c": "1", "d": "1"}}',
    'a, b, c and 1 more',
    'npm install --omit=dev --prefix'
  ],
  ['python', 'requirements.txt', '# none\nflask==3 # web\n', 'flask==3', 'pip install --target']
])('packages that a %s function asks for and that are not there are named, with how to get them', async (base, list, text, named, hint) => {
  await writeFile(join(folder, 'web', list), text)
  await expect(build({source: './web', base, command: ['x']})).rejects.toMatchObject({
    code: 'build_failed',
    message: expect.stringContaining(`asks for ${named}, and there is no`),
    hint: expect.stringContaining(hint)
  })
})

test('packages that are named in .creoignore are taken for bundled', async () => {
  await writeFile(join(folder, 'web/requirements.txt'), 'flask')
  await writeFile(join(folder, 'web/.creoignore'), 'site-packages\n')
  await expect(build({source: './web', base: 'python', command: ['x']})).rejects.toMatchObject({
    message: expect.not.stringContaining('asks for')
  })
})

test('a base that is not on this machine is refused with how to get it', async () => {
  await expect(build({source: './web', base: 'python', command: ['x']})).rejects.toMatchObject({
    code: 'build_failed',
    message: "The base creo/python is neither on this machine nor in the network's registry.",
    hint: 'creo bases python'
  })
})

test('a base that is nowhere is made, and why it can not be is told', async () => {
  const noted: string[] = []
  const steps: StepPort = {step: (_, work) => work((text) => void noted.push(text))}
  const assemble: BuildOptions['assemble'] = async ({note}) => {
    note('tzdata for arm64, 2 of 2')
    throw new CreoError('digest_mismatch', 'It is another.', {hint: 'Look at it.'})
  }
  await expect(build({source: './web', base: 'python', command: ['x']}, 'out', {assemble, steps})).rejects.toMatchObject({
    code: 'digest_mismatch',
    message: expect.stringMatching(/creo\/python is neither on this machine .* can't be made: It is another\.$/),
    hint: 'Look at it.'
  })
  expect(noted).toContain('making creo/python, once: tzdata for arm64, 2 of 2')
})

test('an image upon a base that is here for one architecture says which is lacking', async () => {
  const [image] = await build({source: './web', base: 'node', command: ['node', 'server']})
  const here = hostArchitecture()
  expect(image).toMatchObject({architectures: [here], lackingBase: [here === 'amd64' ? 'arm64' : 'amd64']})
  const lines = lackingBaseLines({function: 'web', lackingBase: ['arm64']})
  expect(lines).toEqual([expect.stringContaining('web is not made for arm64'), expect.stringContaining('creo bases node')])
})

test('an image given on the command line takes the place of source and command, of the function it names or the only one', () => {
  const found = foundWith({source: './web', command: ['node', 'server.mjs']})
  expect(withGivenImages(found, ['registry.example/web:1']).manifest.functions.web).toMatchObject({
    image: 'registry.example/web:1',
    command: []
  })
  expect(withGivenImages(found, ['web=a.example/b@sha256:0']).manifest.functions.web?.source).toBeUndefined()
  expect(() => withGivenImages(found, ['wbe=a.example/b'])).toThrow(expect.objectContaining({hint: 'Write --image web=a.example/b'}))
  const two = {...found, manifest: {...found.manifest, functions: {...found.manifest.functions, api: found.manifest.functions.web!}}}
  expect(() => withGivenImages(two, ['a.example/b'])).toThrow('The app has 2 functions: which of them is a.example/b?')
})

function build(
  fn: Readonly<Record<string, unknown>>,
  output = 'lower',
  more: Partial<BuildOptions> = {}
): Promise<readonly FunctionImage[]> {
  const steps: StepPort = {step: (_, work) => work(() => undefined)}
  const options = {outputDirectory: join(folder, output), dataDirectory: join(folder, 'data'), steps, signal, ...more}
  return buildFunctions({found: foundWith(fn), ...options})
}

function foundWith(fn: Readonly<Record<string, unknown>>): FoundManifest {
  const parsed = parseManifest({app: 'shop', org: 'colibris', routes: [{path: '/', function: 'web'}], functions: {web: fn}})
  if (!parsed.ok) throw new Error(parsed.problems[0].message)
  return {...({} as FoundManifest), manifest: parsed.manifest, path: join(folder, 'creo.yaml'), folder}
}
