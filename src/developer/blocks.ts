import {CreoError} from '../core/errors.ts'
import {type BlockEvent, blockTargetSchema} from '../core/protocol/blocks.ts'
import {loadKeyFile} from '../identity/keys.ts'
import {type Context, type ContextFlags, openContext} from './context.ts'

const SHOWN_MAX = 1000

export interface BlockChange {
  readonly action: 'block' | 'unblock'
  readonly kind: string
  readonly name: string
}

export interface ChangedBlock {
  readonly status: string
  readonly kind: string
  readonly name: string
  readonly seq: number
}

/** Signs it by the operator's key file. @throws {CreoError} `invalid_input` for what is no such thing. */
export async function changeBlock(
  flags: ContextFlags & {readonly key: string; readonly reason: string},
  {action, kind, name}: BlockChange,
  signal: AbortSignal
): Promise<ChangedBlock> {
  const {client} = await openContext(flags, signal)
  const operator = await loadKeyFile(flags.key)
  const target = blockTargetSchema.safeParse({kind, name})
  if (!target.success) {
    throw new CreoError('invalid_input', `"${name}" is not the name of such a thing: ${kind}.`, {
      hint: 'An image is sha256: and 64 hex digits, an account its name, a domain as example.org.'
    })
  }
  const answer = await client.as('operator', operator).submit({type: `operator.${action}`, target: target.data, reason: flags.reason})
  return {status: String(answer.result.status), kind, name, seq: answer.seq}
}

/** One line of the list, or of the record. */
export interface ShownBlock extends Omit<BlockEvent, 'atMs'> {
  readonly at: string
}

export async function shownBlocks({client}: Context, history: boolean): Promise<ShownBlock[]> {
  const {blocks} = await client.blocks({history, limit: SHOWN_MAX})
  return blocks.map(({atMs, ...block}) => ({at: new Date(atMs).toISOString(), ...block}))
}
