import {execa} from 'execa'

const INSTALL_TIMEOUT_MS = 120_000

/** Installs what the template `node` asks for, as its words tell a user to; answers why it can't be had here, or undefined. */
export async function installFramework(folder: string): Promise<string | undefined> {
  const args = ['install', '--omit=dev', '--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline', '--prefix', folder]
  const {failed, timedOut, stderr} = await execa('npm', args, {reject: false, timeout: INSTALL_TIMEOUT_MS})
  if (!failed) return undefined
  const words = timedOut ? `npm was not done after ${INSTALL_TIMEOUT_MS / 1000} s` : stderr.trim().split('\n').slice(-3).join(' ')
  return `the Functions Framework can't be installed here: ${words}`
}
