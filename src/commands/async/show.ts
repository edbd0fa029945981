import {Args} from '@oclif/core'
import {CreoCommand} from '../../cli/base-command.ts'
import {callLines, type ShownCall, shownCall} from '../../cli/call-text.ts'
import {networkFlags} from '../../cli/flags.ts'

export default class AsyncShow extends CreoCommand {
  static override summary = 'Show what has become of a call that is answered later.'
  static override description = 'The body of its answer is printed last. Whoever knows the id may ask.'
  static override examples = ['<%= config.bin %> <%= command.id %> call_...']
  static override args = {id: Args.string({required: true, description: 'Id of the call.'})}
  static override flags = {...networkFlags}

  async run(): Promise<ShownCall> {
    const {args, flags} = await this.parse(AsyncShow)
    const [{openContext}, {doToCall}] = await Promise.all([import('../../developer/context.ts'), import('../../developer/async-calls.ts')])
    const call = shownCall(await doToCall(await openContext(flags, this.abort), args.id, 'show', this.abort))
    for (const line of callLines(call)) this.log(line)
    if (call.result !== undefined && call.result.body !== '') this.log(`\n${call.result.body}`)
    if (call.state === 'failed') this.logToStderr(`Try it again: creo async retry ${call.id}`)
    return call
  }
}
