import {lstat} from 'node:fs/promises'
import {dirname} from 'node:path'
import {CreoError} from '../core/errors.ts'
import type {RuntimeTools} from './port.ts'
import type {IngressMount} from './sandbox.ts'
import {INGRESS} from './sandbox-plan.ts'

const HINT = 'creo doctor looks at the container runtime.'

/** Mounts a file system of its own on the directory, owned by the function's user, so that filling it fills nothing else. */
export async function mountIngress(execa: RuntimeTools['execa'], {path, owner, within, signal}: IngressMount): Promise<void> {
  // In a user's namespaces we are nobody's owner, so the directory is to be looked into by others; nobody else comes near it.
  const options = INGRESS.tmpfsOptions(owner, within === undefined ? '0700' : '0755')
  const mount = ['mount', '-t', 'tmpfs', '-o', options, 'creo', path]
  const enter = within === undefined ? [] : ['nsenter', '--target', String(within), '--user', '--mount', '--preserve-credentials']
  const [program = '', ...args] = [...enter, ...mount]
  const result = await execa(program, args, {reject: false, stdin: 'ignore', cancelSignal: signal})
  if (result.isCanceled) throw new CreoError('interrupted', 'It was called off.', {cause: signal.reason})
  if (result.failed) throw new CreoError('failed', `A tmpfs can't be mounted at ${path}: ${String(result.stderr).trim()}`, {hint: HINT})
}

/** Idempotent. */
export async function unmountIngress(
  execa: RuntimeTools['execa'],
  {path, signal}: {readonly path: string; readonly signal: AbortSignal}
): Promise<void> {
  if (!(await isMounted(path))) return
  const result = await execa('umount', ['--lazy', path], {reject: false, stdin: 'ignore', cancelSignal: signal})
  if (result.failed && (await isMounted(path)))
    throw new CreoError('failed', `${path} can't be unmounted: ${String(result.stderr).trim()}`, {hint: HINT})
}

async function isMounted(path: string): Promise<boolean> {
  const [own, parent] = await Promise.all([lstat(path).catch(() => undefined), lstat(dirname(path)).catch(() => undefined)])
  return own !== undefined && own.dev !== parent?.dev
}
