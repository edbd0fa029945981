import {findProgram, run} from './child.mjs'
import {say, step} from './say.mjs'

const APT_TIMEOUT_MS = 10 * 60_000
const APT_LOCK_WAIT_S = 120

const CONTAINER_PACKAGES = ['podman', 'runc', 'crun', 'netavark', 'aardvark-dns', 'uidmap', 'nftables']
/** Compilers with which a test rebuilds the static init for both architectures and compares it with the committed one. */
const TEST_PACKAGES = ['musl-tools', 'gcc-aarch64-linux-gnu', 'libc6-dev-arm64-cross']

/** Makes sure that podman is there, or says in one sentence what to install. creo itself says loudly when it must do without. */
export async function ensureContainerRuntime() {
  if (findProgram('podman')) return true
  const names = CONTAINER_PACKAGES.join(' ')
  if (!mayInstall()) {
    say(
      `No container runtime here. Install it with: ${aptThere() ? 'sudo apt-get install --no-install-recommends' : 'your package manager, on Debian: apt-get install'} ${names}`
    )
    return false
  }
  return step('Installing the container runtime (podman)', () => install(CONTAINER_PACKAGES))
}

/** Installs what only tests use, when we may; a test that lacks its tool says so itself. */
export async function ensureTestTools() {
  if ((findProgram('musl-gcc') && findProgram('aarch64-linux-gnu-gcc')) || !mayInstall()) return
  await step('Installing the compilers for the static init', () => install(TEST_PACKAGES))
}

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
