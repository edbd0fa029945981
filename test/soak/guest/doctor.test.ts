import {fileURLToPath} from 'node:url'
import {execa} from 'execa'
import {describe, expect, test} from 'vitest'
import {creo} from '../../support/processes.ts'
import {SLOWNESS} from '../../support/slowness.ts'

const CREO = fileURLToPath(new URL('../../../bin/run.js', import.meta.url))
const NEWCOMER = 'newcomer'
const isRoot = process.getuid?.() === 0
type Said = {
  readonly mends: readonly {readonly id: string; readonly status: string}[]
  readonly findings: readonly Record<string, unknown>[]
}
const doctor = async (...args: readonly string[]): Promise<Said> => JSON.parse((await creo(['doctor', '--json', ...args])).stdout)
const states = ({mends}: Said) => mends.map(({id, status}) => `${id} ${status}`)

describe.skipIf(process.env.CREO_SOAK_MACHINE !== '1')('creo doctor', () => {
  test('finds that limits hold here', async () => {
    const {findings} = await doctor()
    expect(findings).toContainEqual(
      expect.objectContaining({check: 'runtime podman', verdict: 'ok', message: expect.stringContaining('limits are enforced')})
    )
  })

  test.skipIf(!isRoot)('gives a user what containers need, so that limits hold for them, and takes it back', async () => {
    await narrowDelegation()
    expect(states(await doctor('--for', NEWCOMER))).toEqual(['subordinate-ids planned', 'linger planned'])
    expect(states(await doctor('--fix', '--yes', '--for', NEWCOMER))).toEqual(['subordinate-ids mended', 'linger mended'])
    // The service manager of a user who lingers runs, so that what it was handed can be seen.
    await expect.poll(async () => states(await doctor('--for', NEWCOMER)), {timeout: 60_000 * SLOWNESS}).toEqual(['delegation planned'])
    expect(await asNewcomer()).toMatchObject({verdict: 'warn'})
    expect(states(await doctor('--fix', '--yes', '--for', NEWCOMER))).toEqual(['delegation mended'])
    expect(await asNewcomer()).toMatchObject({verdict: 'ok', message: expect.stringContaining('limits are enforced')})

    await creo(['doctor', '--undo', '--yes'])
    expect(states(await doctor('--for', NEWCOMER))).toEqual(expect.arrayContaining(['subordinate-ids planned', 'linger planned']))
    expect((await execa('cat', ['/etc/subuid'])).stdout).not.toContain(NEWCOMER)
  })
})

/** As distributions that hand users nothing but processes and memory. */
async function narrowDelegation(): Promise<void> {
  const folder = '/run/systemd/system/user@.service.d'
  await execa('mkdir', ['-p', folder])
  await execa('tee', [`${folder}/10-narrow.conf`], {input: '[Service]\nDelegate=no\nDelegate=pids memory\n'})
  await execa('systemctl', ['daemon-reload'])
}

/** What the doctor finds of podman when that user asks. */
async function asNewcomer(): Promise<unknown> {
  const command = [process.execPath, CREO, 'doctor', '--json']
  const {stdout} = await execa('systemd-run', [`--machine=${NEWCOMER}@.host`, '--user', '--wait', '--pipe', '--quiet', ...command], {
    reject: false
  })
  return (JSON.parse(stdout) as Said).findings.find(({check}) => check === 'runtime podman')
}
