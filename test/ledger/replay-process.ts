import {readFileSync} from 'node:fs'
import {machineOf, replayGroup} from '../../src/ledger/replay.ts'
import {digestOf} from '../../src/ledger/state-digest.ts'
import {toldGroupSchema} from './told-groups.ts'

/**
 * `node replay-process.ts FILE…`: replays journals written as lines (the genesis, then a group each; other lines are passed over) and says which Node it
 * is and what the state's digest is after each group, by file.
 */
const replayed: Record<string, string[]> = {}
for (const file of process.argv.slice(2)) {
  const [first = '', ...lines] = readFileSync(file, 'utf8').trim().split('\n')
  const machine = machineOf((JSON.parse(first) as {genesis: string}).genesis)
  let head = {number: 0, lastSeq: 0, hash: machine.state.networkId}
  replayed[file] = lines.flatMap((line) => {
    const told = JSON.parse(line) as object
    if (!('body' in told)) return []
    head = replayGroup(machine, head, toldGroupSchema.parse(told), {signatures: true})
    return [digestOf(machine).sha256]
  })
}
process.stdout.write(JSON.stringify({version: process.versions.node, replayed}))
