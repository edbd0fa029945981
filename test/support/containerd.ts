import {execa} from 'execa'

/** containerd is for root alone; the set-up of the tests installs it where it may. */
export async function containerdIsThere(): Promise<boolean> {
  return process.getuid?.() === 0 && (await execa('ctr', ['--version'], {reject: false})).exitCode === 0
}
