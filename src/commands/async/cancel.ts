import {Args} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {type ShownCall, shownCall} from '../../cli/call-text.ts'
import {networkFlags} from '../../cli/flags.ts'

export default class AsyncCancel extends CreoCommand {
  static override summary = 'End a call that is answered later, also in the middle of an attempt.'
  static override examples = ['<%= config.bin %> <%= command.id %> call_...']
  static override args = {id: Args.string({required: true, description: 'Id of the call.'})}
  static override flags = {...networkFlags}

  async run(): Promise<ShownCall> {
    const {args, flags} = await this.parse(AsyncCancel)
    const [{openContext}, {doToCall}] = await Promise.all([import('../../developer/context.ts'), import('../../developer/async-calls.ts')])
    const call = shownCall(await doToCall(await openContext(flags, this.abort), args.id, 'cancel', this.abort))
    this.log(`${call.id} is ${call.state} after ${call.attempts} attempts.`)
    return call
  }
}
