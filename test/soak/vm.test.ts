import {mkdtemp, readFile, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {z} from 'zod'
import {buildProbe} from '../attack/build-probe.ts'
import {buildEchoImage} from '../support/echo-image.ts'
import {makeSignedRelease} from '../support/signed-release.ts'
import {checkoutDisk, readFromDisk} from './checkout-disk.ts'
import {runMachine} from './machine.ts'
import {rootImage} from './root-image.ts'

const MACHINE_TIMEOUT_MS = 3 * 3_600_000
const PREPARE_TIMEOUT_MS = 30 * 60_000
const WORDS_MAX = 4000
const STEPS = (process.env.CREO_SOAK_STEPS ?? '').split(',').filter((step) => step !== '')
/** What is known of the machine once it is done, and the step of guest.sh that finds it out. */
const CHECKS = [
  ['the runtime contract holds without root, with podman and crun under systemd', 'rootless-podman'],
  ['the runtime contract holds as root, with podman and crun under systemd', 'rootful-podman'],
  ['the runtime contract holds as root, with podman and crun and control groups of their own', 'rootful-podman-cgroupfs'],
  ['the runtime contract holds as root, with containerd', 'rootful-containerd'],
  ['attacks from inside are refused as root', 'rootful-attack'],
  ['attacks from inside are refused as root, with containerd', 'rootful-attack-containerd'],
  ['attacks from inside are refused without root', 'rootless-attack'],
  ['a node is a service of the machine', 'rootful-service'],
  ['a service’s miner is drained when the packaged program is updated, and goes on with the new one', 'rootful-update'],
  ['a node is a service of a user', 'rootless-service'],
  ['creo doctor finds root’s containers well, and mends what a new user lacks', 'rootful-doctor'],
  ['creo doctor finds a user’s containers well', 'rootless-doctor']
] as const
const reportSchema = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  success: z.boolean(),
  testResults: z.array(
    z.object({
      message: z.string(),
      assertionResults: z.array(z.object({fullName: z.string(), status: z.string(), failureMessages: z.array(z.string())}))
    })
  )
})

/** A Debian of its own, with systemd and version 2 of control groups, which most users have and the machine of these tests may not. */
describe.skipIf(process.env.CREO_TEST_TIER !== 'soak')('in a virtual machine', () => {
  let folder: string
  let disk: string
  let consoleTail = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'creo-soak-'))
    const patience = AbortSignal.timeout(PREPARE_TIMEOUT_MS)
    // What is slow to make in there, or has no compiler there, is made here.
    await buildProbe(patience)
    await buildEchoImage(join(folder, 'echo'), patience)
    const image = await rootImage()
    disk = await checkoutDisk(folder, wanted('rootful-update') ? await twoReleases(join(folder, 'releases')) : undefined)
    const consolePath = join(folder, 'console.log')
    try {
      await runMachine({image, disk, consolePath, timeoutMs: MACHINE_TIMEOUT_MS, steps: STEPS})
    } finally {
      consoleTail = (await readFile(consolePath, 'utf8').catch(() => '')).slice(-WORDS_MAX)
    }
  }, MACHINE_TIMEOUT_MS + PREPARE_TIMEOUT_MS)
  afterAll(() => rm(folder, {recursive: true, force: true}))

  test.each(CHECKS.filter(([, name]) => wanted(name)))('%s', async (_title, name) => {
    expect(await readFromDisk(disk, '/report/done'), `The machine did not come to its end:\n${consoleTail}`).toBe('')
    const text = await readFromDisk(disk, `/report/${name}.json`)
    const log = ((await readFromDisk(disk, `/report/${name}.log`)) ?? '').slice(-WORDS_MAX)
    const report = reportSchema.parse(JSON.parse(text ?? fail(`${name} left no report:\n${log}`)))
    const failed = report.testResults.flatMap(({assertionResults}) => assertionResults.filter(({status}) => status === 'failed'))
    expect(failed.map(({fullName, failureMessages}) => `${fullName}: ${failureMessages[0]}`)).toEqual([])
    expect(report, log).toMatchObject({success: true, numFailedTests: 0})
    expect(report.numPassedTests).toBeGreaterThan(0)
  })
})

function wanted(step: string): boolean {
  return STEPS.length === 0 || STEPS.includes(step)
}

/** What is installed, and what its publisher signed after it: programs of other bytes, in `one` and `two` of the folder. */
async function twoReleases(path: string): Promise<string> {
  await makeSignedRelease(join(path, 'one'))
  await makeSignedRelease(join(path, 'two'))
  return path
}

function fail(message: string): never {
  throw new Error(message)
}
