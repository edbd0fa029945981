import {Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {plainLine} from '../../cli/plain-line.ts'
import type {NodeLogLine} from '../../miner/node-log.ts'

const LINES_DEFAULT = 100
const LINES_MAX = 100_000

export default class MineLogs extends CreoCommand {
  static override summary = 'Show what this node did.'
  static override description = "The node's own log, kept in its folder. What functions print belongs to their developers: creo logs."
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --follow',
    '<%= config.bin %> <%= command.id %> --lines 1000 --json'
  ]
  static override flags = {
    data: Flags.string({helpValue: 'DIR', description: 'Folder of the node. Default: miner in the data folder of creo.'}),
    lines: Flags.integer({
      default: LINES_DEFAULT,
      min: 0,
      max: LINES_MAX,
      helpValue: 'COUNT',
      description: 'How many of the newest lines.'
    }),
    follow: Flags.boolean({char: 'f', description: 'Go on with new lines until Ctrl-C.'})
  }

  async run(): Promise<{readonly lines: readonly NodeLogLine[]}> {
    const {flags} = await this.parse(MineLogs)
    const [{followLog, newestLines}, {nodeFolder}, {assertStarted}] = await Promise.all([
      import('../../miner/node-log.ts'),
      import('../../cli/read-lending.ts'),
      import('../../compose/miner-control.ts')
    ])
    const directory = nodeFolder(flags.data)
    const {lines, end} = await newestLines(directory, flags.lines)
    if (end.ino === 0) await assertStarted(directory)
    for (const line of lines) this.log(lineText(line))
    if (lines.length === 0 && !flags.follow) this.log('No node has written anything there yet.')
    if (!flags.follow) return {lines}
    for (const line of lines) this.logJsonLine(line)
    for await (const line of followLog(directory, end, this.abort)) {
      this.log(lineText(line))
      this.logJsonLine(line)
    }
    this.abort.throwIfAborted()
    return {lines}
  }
}

function lineText({at, level, message, facts}: NodeLogLine): string {
  const words = Object.entries(facts).map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  return plainLine([at, level.padEnd(5), message, ...words].join(' '))
}
