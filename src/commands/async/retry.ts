import {Args} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {type ShownCall, shownCall} from '../../cli/call-text.ts'
import {networkFlags} from '../../cli/flags.ts'

export default class AsyncRetry extends CreoCommand {
  static override summary = 'Take a failed call up again, as if it were new.'
  static override examples = ['<%= config.bin %> <%= command.id %> call_...']
  static override args = {id: Args.string({required: true, description: 'Id of the call.'})}
  static override flags = {...networkFlags}

  async run(): Promise<ShownCall> {
    const {args, flags} = await this.parse(AsyncRetry)
    const [{openContext}, {doToCall}] = await Promise.all([import('../../developer/context.ts'), import('../../developer/async-calls.ts')])
    const call = shownCall(await doToCall(await openContext(flags, this.abort), args.id, 'retry', this.abort))
    this.log(`${call.id} is ${call.state}.`)
    this.log(`See what becomes of it: creo async show ${call.id}`)
    return call
  }
}
