import {execFileSync} from 'node:child_process'
import {createHash} from 'node:crypto'
import {chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {basename, join} from 'node:path'
import {signFile} from '../../packaging/package/signature.ts'
import type {UpdateOptions} from '../../src/compose/update/update.ts'

export interface StandIn {
  /** Which version it says that it is, if another. */
  readonly says?: string
  /** A check of its doctor that fails. */
  readonly fails?: string
  /** All that it does instead. */
  readonly script?: string
}

/** A program that says its version and has a doctor. */
export function standIn(path: string, version: string, {says = version, fails, script}: StandIn = {}): void {
  const findings = fails === undefined ? [] : [{check: fails, verdict: 'fail', message: 'It is not there.'}]
  const whole = script ?? `case $1 in --version) echo "creo/${says} here";; doctor) echo '${JSON.stringify({findings})}';; esac`
  rmSync(path, {force: true})
  writeFileSync(path, `#!/bin/sh\n# ${version}\n${whole}\n`)
  chmodSync(path, 0o755)
}

/** A release of such a program as `npm run package` writes it. */
export function publishStandIn(
  release: string,
  key: string,
  version: string,
  {architecture = process.arch, ...what}: StandIn & {readonly architecture?: string} = {}
): void {
  rmSync(release, {recursive: true, force: true})
  mkdirSync(release)
  const program = join(release, `creo-linux-${architecture}`)
  standIn(program, version, what)
  execFileSync('xz', ['--keep', program])
  const sums = [program, `${program}.xz`].map(
    (file) => `${createHash('sha256').update(readFileSync(file)).digest('hex')}  ${basename(file)}\n`
  )
  writeFileSync(join(release, 'SHA256SUMS'), sums.join(''))
  writeFileSync(join(release, 'SHA256SUMS.minisig'), signFile(Buffer.from(sums.join('')), `creo ${version}`, key))
}

export function updateOptions(creo: string, folder: string, env: UpdateOptions['env']): UpdateOptions {
  return {
    executable: creo,
    version: '1.0.0',
    architecture: process.arch,
    node: join(folder, 'node'),
    env: {...env, XDG_CACHE_HOME: join(folder, 'cache')},
    step: async (_name, work) => await work(() => undefined),
    signal: new AbortController().signal,
    lookEveryMs: 1
  }
}
