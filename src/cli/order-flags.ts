import {Args, Flags} from '@oclif/core'
import {accountFlags, networkFlags} from './flags.ts'
import {parseDurationMs} from './format.ts'

export const orderArgs = {
  incentive: Args.string({required: true, description: 'ORG/CODE.'}),
  amount: Args.string({required: true, description: 'How much of it, in whole lots.'})
}

export const selfTradeFlag = Flags.option({
  options: ['cancel-newest', 'cancel-oldest', 'cancel-both'] as const,
  default: 'cancel-newest' as const,
  description: 'Which goes when it meets an order of your own: the rest of this one, the one that waits, or both.'
})()

export const orderFlags = {
  ...networkFlags,
  ...accountFlags,
  price: Flags.string({helpValue: 'GUTTA', description: 'Gutta per 1.00 of the incentive; the worst one accepted when --market.'}),
  market: Flags.boolean({default: false, description: 'Take what there is now, up to 10 % from the best price.', exclusive: ['post-only']}),
  'post-only': Flags.boolean({default: false, description: 'Only wait in the book; never trade at once.'}),
  tif: Flags.option({
    options: ['GTC', 'GTT', 'IOC', 'FOK'] as const,
    description: 'How long it stands: until cancelled (the default), until a time, now or never, all now or nothing.'
  })(),
  expires: Flags.string({helpValue: 'DURATION', description: 'With --tif GTT: for how long.'}),
  'self-trade': selfTradeFlag
}

/** What the flags of a trade say, as an order. A market order never waits. */
export function orderChoice(flags: {
  readonly market: boolean
  readonly 'post-only': boolean
  readonly tif: 'GTC' | 'GTT' | 'IOC' | 'FOK' | undefined
  readonly expires: string | undefined
  readonly 'self-trade': 'cancel-newest' | 'cancel-oldest' | 'cancel-both'
}): {
  readonly kind: 'limit' | 'market' | 'post-only'
  readonly timeInForce: 'GTC' | 'GTT' | 'IOC' | 'FOK'
  readonly lifetimeMs: number | undefined
  readonly selfTrade: 'cancel-oldest' | 'cancel-both' | undefined
} {
  const limitKind = flags['post-only'] ? 'post-only' : 'limit'
  return {
    kind: flags.market ? 'market' : limitKind,
    timeInForce: flags.tif ?? (flags.market ? 'IOC' : 'GTC'),
    lifetimeMs: flags.expires === undefined ? undefined : parseDurationMs(flags.expires),
    selfTrade: selfTradeChoice(flags['self-trade'])
  }
}

/** The default is said by saying nothing. */
export function selfTradeChoice<Choice extends string>(choice: Choice): Exclude<Choice, 'cancel-newest'> | undefined {
  return choice === 'cancel-newest' ? undefined : (choice as Exclude<Choice, 'cancel-newest'>)
}
