import {execFile} from 'node:child_process'
import {cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {dirname, join} from 'node:path'
import {promisify} from 'node:util'
import {ownFiles, type PackageLock, WHOLE_PACKAGES} from './app-files.ts'

/** What plugins and apps are written against. */
const TYPES = 'dist/{app-client,core,runtime}/**/*.d.ts'
/** Of package.json, what only a checkout needs. */
const CHECKOUT_ALONE = new Set([
  'private',
  'workspaces',
  'scripts',
  'devDependencies',
  'optionalDependencies',
  'allowScripts',
  'files',
  'exports'
])

const run = promisify(execFile)

/**
 * Makes `<output>/creo-<version>.tgz`, which `npm install -g` takes: the bundle, in which the workspaces and all packages in JavaScript are, and as dependencies only what
 * can't be bundled. The same checkout gives the same bytes.
 */
export async function makeNpmPackage(root: string, output: string, signal: AbortSignal): Promise<string> {
  const stage = mkdtempSync(join(tmpdir(), 'creo-npm-'))
  try {
    const types = globSync(TYPES, {cwd: root}).map((path) => ({from: join(root, path), path}))
    for (const {from, path} of [...ownFiles(root), ...types, {from: join(root, 'README.md'), path: 'README.md'}]) {
      mkdirSync(dirname(join(stage, path)), {recursive: true})
      cpSync(from, join(stage, path), {dereference: true})
    }
    const [own, lock] = ['package.json', 'package-lock.json'].map((name) => JSON.parse(readFileSync(join(root, name), 'utf8')) as unknown)
    const manifest = npmManifest(own as Record<string, unknown>, lock as PackageLock)
    writeFileSync(join(stage, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
    const npm = join(root, 'node_modules', 'npm', 'bin', 'npm-cli.js')
    mkdirSync(output, {recursive: true})
    const {stdout} = await run(process.execPath, [npm, 'pack', '--ignore-scripts', '--silent', '--pack-destination', output], {
      cwd: stage,
      signal
    })
    return join(output, stdout.trim())
  } finally {
    rmSync(stage, {recursive: true, force: true})
  }
}

/** package.json as it is published: nothing of the checkout, and each dependency at the version that was tested. */
export function npmManifest(own: Readonly<Record<string, unknown>>, {packages}: PackageLock): Readonly<Record<string, unknown>> {
  const kept = Object.entries(own).filter(([name]) => !CHECKOUT_ALONE.has(name))
  const dependencies = WHOLE_PACKAGES.map((name): readonly [string, string] => {
    const version = packages[`node_modules/${name}`]?.version
    if (version === undefined) throw new Error(`package-lock.json does not pin ${name}.`)
    return [name, version]
  })
  return {
    ...Object.fromEntries(kept),
    exports: {
      './client': {types: './dist/app-client/client.d.ts', default: './bundle/client.js'},
      './runtime': {types: './dist/runtime/port.d.ts'}
    },
    dependencies: Object.fromEntries(dependencies)
  }
}
