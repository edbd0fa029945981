import fs from 'node:fs/promises'
import {syncBuiltinESMExports} from 'node:module'
import {dirname} from 'node:path'
import {updateOptions} from '../update/stand-in.ts'

/** Updates a stand-in and is killed just before the given one of its changes to the folder of the executable, counted from 1. */
const [step, creo = '', release = '', folder = '', publicKey = ''] = process.argv.slice(2)
const CHANGES = ['rename', 'link', 'rm', 'copyFile', 'open'] as const
let changes = 0

for (const name of CHANGES) {
  const original = fs[name] as (...args: unknown[]) => Promise<unknown>
  const counted = (...args: unknown[]): Promise<unknown> => {
    if (args.some((arg) => typeof arg === 'string' && dirname(arg) === dirname(creo))) {
      changes += 1
      if (changes === Number(step)) process.kill(process.pid, 'SIGKILL')
    }
    return original(...args)
  }
  Object.assign(fs, {[name]: counted})
}
syncBuiltinESMExports()

const {lookAtRelease, updateTo} = await import('../../src/compose/update/update.ts')
const options = updateOptions(creo, folder, process.env)
await updateTo(await lookAtRelease({place: release, publicKey, to: undefined}, options), options)
