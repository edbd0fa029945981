import {Flags} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {networkFlags} from '../../cli/flags.ts'
import {renderTable} from '../../cli/table.ts'
import type {ShownBlock} from '../../developer/blocks.ts'

export default class OperatorBlocks extends CreoCommand {
  static override summary = 'List what the operator of the network keeps out, and why.'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --history']
  static override flags = {
    ...networkFlags,
    history: Flags.boolean({default: false, description: 'All that was ever blocked and unblocked.'})
  }

  async run(): Promise<{readonly blocks: readonly ShownBlock[]}> {
    const {flags} = await this.parse(OperatorBlocks)
    const [{openContext}, {shownBlocks}] = await Promise.all([import('../../developer/context.ts'), import('../../developer/blocks.ts')])
    const blocks = await shownBlocks(await openContext(flags, this.abort), flags.history)
    if (blocks.length === 0) this.log('Nothing is blocked.')
    else
      this.log(
        renderTable(blocks, [
          {header: 'AT', value: (row) => row.at},
          ...(flags.history ? [{header: 'WHAT', value: (row: ShownBlock) => row.action}] : []),
          {header: 'KIND', value: (row) => row.kind},
          {header: 'NAME', value: (row) => row.name},
          {header: 'REASON', value: (row) => row.reason}
        ])
      )
    return {blocks}
  }
}
