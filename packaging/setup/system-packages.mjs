import {existsSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {findProgram, run} from './child.mjs'
import {say, step} from './say.mjs'

const APT_TIMEOUT_MS = 10 * 60_000
const APT_LOCK_WAIT_S = 120

const CONTAINER_PACKAGES = ['podman', 'runc', 'crun', 'netavark', 'aardvark-dns', 'uidmap', 'mount', 'nftables']
/** A second runtime that the suite of all runtimes is run against; creo itself does without. */
const CONTAINERD_PACKAGES = ['containerd', 'runc']
/** Compilers with which a test rebuilds the static init for both architectures and compares it with the committed one. */
const TEST_PACKAGES = ['musl-tools', 'gcc-aarch64-linux-gnu', 'libc6-dev-arm64-cross']
/** What runs Node for arm64 on another machine, and the libraries that Node is linked to. */
const ARM64_PACKAGES = ['qemu-user-static', 'libc6-arm64-cross', 'libstdc++6-arm64-cross']
const ARM64_LIBRARY = '/usr/aarch64-linux-gnu/lib/libstdc++.so.6'

/** A root of Debian with nothing in it, entered without a network, and what checks the package that is installed in it. */
const ROOT_PROGRAMS = ['mmdebstrap', 'ip', 'lintian']
const ROOT_PACKAGES = ['mmdebstrap', 'iproute2', 'lintian']

/** Programs that only benches and the longest tests use, and the Debian packages that bring them. */
const PROGRAM_PACKAGES = {
  debugfs: ['e2fsprogs'],
  mke2fs: ['e2fsprogs'],
  mmdebstrap: ['mmdebstrap'],
  'musl-gcc': ['musl-tools', 'gcc'],
  nginx: ['nginx-light'],
  podman: CONTAINER_PACKAGES,
  'qemu-system-x86_64': ['qemu-system-x86', 'seabios'],
  runc: ['runc'],
  wrk: ['wrk'],
  xz: ['xz-utils']
}
/** Programs whose package also brings a service that starts by itself. */
const SERVICES = ['nginx']
/** Debian's way to say which services a package may start; it exits with 101 for "none". */
const POLICY = '/usr/sbin/policy-rc.d'
const POLICY_MARK = '# Written by the set-up of creo while it installs what a bench needs.'
const DISABLE_TIMEOUT_MS = 30_000

/**
 * Makes sure that the programs a bench or a test tier needs are there. A service that comes with one is neither started nor left to start at boot.
 * @throws when one is missing and can't be installed: in one sentence what to install.
 */
export async function ensurePrograms(names) {
  const missing = names.filter((name) => !findProgram(name))
  if (missing.length === 0) return
  const packages = [...new Set(missing.flatMap((name) => PROGRAM_PACKAGES[name]))]
  const sentence = `This needs ${missing.join(' and ')}. Install ${missing.length > 1 ? 'them' : 'it'} with: ${howToInstall(packages)}`
  if (!mayInstall()) throw new Error(sentence)
  const installed = await step(`Installing what this needs (${missing.join(', ')})`, () => withoutServices(() => install(packages)))
  for (const service of missing.filter((name) => SERVICES.includes(name))) {
    await run('update-rc.d', [service, 'disable'], {quiet: true, timeoutMs: DISABLE_TIMEOUT_MS})
  }
  if (!installed || missing.some((name) => !findProgram(name))) throw new Error(sentence)
}

/** No service is started while `work` installs; a policy that the machine has already stays as it is. */
async function withoutServices(work) {
  const isOurs = writePolicy()
  try {
    return await work()
  } finally {
    if (isOurs) rmSync(POLICY, {force: true})
  }
}

/** It forbids nothing once this process is gone, however it ended; one that was left behind is taken over. */
function writePolicy() {
  if (existsSync(POLICY) && !readFileSync(POLICY, 'utf8').includes(POLICY_MARK)) return false
  writeFileSync(POLICY, `#!/bin/sh\n${POLICY_MARK}\nif kill -0 ${process.pid} 2>/dev/null; then exit 101; fi\nexit 0\n`, {mode: 0o755})
  return true
}

/** Makes sure that podman is there, and answers in one sentence what to install where it can't be; undefined when all is well. */
export async function ensureContainerRuntime() {
  if (findProgram('podman')) return undefined
  const sentence = `No container runtime here. Install it with: ${howToInstall(CONTAINER_PACKAGES)}`
  if (!mayInstall()) return sentence
  await step('Installing the container runtime (podman)', () => install(CONTAINER_PACKAGES))
  return findProgram('podman') ? undefined : sentence
}

/** Installs what only tests use, for the long tier some more, when we may. A test that lacks its tool is skipped, and fails where `CI` is set. */
export async function ensureTestTools({long = false} = {}) {
  if (!mayInstall()) return
  if (!findProgram('musl-gcc') || !findProgram('aarch64-linux-gnu-gcc'))
    await step('Installing the compilers for the static init', () => install(TEST_PACKAGES))
  if (process.arch === 'x64' && !(findProgram('qemu-aarch64-static') && existsSync(ARM64_LIBRARY)))
    await step('Installing what runs programs for arm64', () => withoutServices(() => install(ARM64_PACKAGES)))
  if (long && !ROOT_PROGRAMS.every((name) => findProgram(name)))
    await step('Installing what makes a Debian without Node', () => install(ROOT_PACKAGES))
  if (!findProgram('chromium')) await step('Installing a browser for the exchange’s page', () => install(['chromium']))
  const clients = ['skopeo', 'buildah'].filter((name) => !findProgram(name))
  if (clients.length > 0) await step(`Installing ${clients.join(' and ')}, which use our registry as others do`, () => install(clients))
  if (!findProgram('ctr')) await step('Installing containerd for its tests', installContainerd)
}

/** Our runtime starts one of its own; the machine's is neither started nor left to start at boot. */
async function installContainerd() {
  const installed = await withoutServices(() => install(CONTAINERD_PACKAGES))
  if (findProgram('systemctl')) await run('systemctl', ['disable', 'containerd'], {quiet: true, timeoutMs: DISABLE_TIMEOUT_MS})
  return installed
}

const howToInstall = (packages) =>
  `${aptThere() ? 'sudo apt-get install --no-install-recommends' : 'your package manager, on Debian: apt-get install'} ${packages.join(' ')}`
const aptThere = () => findProgram('apt-get') !== undefined
const mayInstall = () => process.getuid?.() === 0 && aptThere()

async function install(names) {
  const env = {...process.env, DEBIAN_FRONTEND: 'noninteractive'}
  const apt = (...args) =>
    run('apt-get', ['-q', '-o', `DPkg::Lock::Timeout=${APT_LOCK_WAIT_S}`, ...args], {env, quiet: true, timeoutMs: APT_TIMEOUT_MS})
  const update = await apt('update')
  if (update.exitCode !== 0) say('apt-get update failed; trying with the package lists that are there.')
  const {exitCode, output} = await apt('install', '-y', '--no-install-recommends', ...names)
  if (exitCode === 0) return true
  say(`apt-get could not install ${names.join(' ')} (exit code ${exitCode}):\n${output.trim().split('\n').slice(-8).join('\n')}`)
  return false
}
