import {CreoError, isCreoError} from '../core/errors.ts'
import {positiveAmount} from '../core/market-units.ts'
import {GUTTA} from '../core/protocol/api.ts'
import {memoSchema} from '../core/protocol/scalars.ts'
import {formatDecimal, GUTTA_DECIMALS} from '../core/units.ts'
import type {AccountContext} from './context.ts'
import {findIncentive} from './incentives.ts'

/** For so long the same `once` pays once: almost as long as the ledger remembers a command. */
const ONCE_MS = 23 * 3_600_000
const ONCE_PATTERN = /^[A-Za-z0-9_.:-]{1,64}$/

export interface PaymentInput {
  /** Name or id. */
  readonly to: string
  /** In whole units of the asset. */
  readonly amount: string
  /** `gutta` or `ORG/CODE`. */
  readonly asset: string
  readonly memo: string | undefined
  /** What the payer calls this payment, so that it can be told again and is made once. */
  readonly once: string | undefined
}

/** A payment that could be made now. Amounts in whole units. */
export interface PlannedPayment {
  readonly from: string
  readonly to: {readonly id: string; readonly name: string}
  readonly asset: string
  readonly amount: string
  readonly amountMinor: number
  readonly memo: string | null
  /** What the payer would have available afterwards. */
  readonly left: string
}

export interface ShownPayment {
  readonly status: 'paid' | 'dry_run' | 'declined'
  /** Null where nothing was paid. */
  readonly transfer: string | null
  readonly from: string
  readonly to: string
  readonly toId: string
  readonly asset: string
  readonly amount: string
  readonly memo: string | null
  /** What the payer has available of it now, or would have after what was only looked at. */
  readonly left: string
  readonly seq: number | null
}

/** Looks at a payment as the ledger would. @throws {CreoError} why it would refuse it. */
export async function planPayment(context: AccountContext, input: PaymentInput, signal: AbortSignal): Promise<PlannedPayment> {
  const {client, account} = context
  const memo = memoFrom(input.memo)
  if (input.once !== undefined && !ONCE_PATTERN.test(input.once))
    throw new CreoError('invalid_input', `"${input.once}" is no name for a payment.`, {hint: 'Use up to 64 letters, digits and _ . : -'})
  const terms = await termsOf(context, input.asset, signal)
  const amountMinor = positiveAmount(input.amount, terms.decimals, 'amount')
  const {id, name} = await client.account(input.to, signal)
  if (id === account.id) throw new CreoError('invalid_input', `${name} would pay itself.`, {hint: 'Name another account.'})
  if (terms.org !== undefined && terms.org !== id)
    throw new CreoError(
      'not_transferable',
      `${terms.asset} was not issued as transferable: it goes back to its org and through the market.`,
      {
        hint: 'Sell it and let them buy it: creo trade sell. Gutta goes to anybody.'
      }
    )
  const has = await availableOf(context, terms.asset, signal)
  const amount = formatDecimal(amountMinor, terms.decimals)
  // What was paid already under this name is not paid again: the ledger knows.
  if (has < amountMinor && input.once === undefined)
    throw new CreoError('insufficient_funds', `${account.name} has ${formatDecimal(has, terms.decimals)} ${terms.asset} available.`, {
      hint: 'creo account balance'
    })
  const left = formatDecimal(Math.max(0, has - amountMinor), terms.decimals)
  return {from: account.name, to: {id, name}, asset: terms.asset, amount, amountMinor, memo, left}
}

/** Pays what was planned. @throws {CreoError} the code with which it was refused. */
export async function pay(
  context: AccountContext,
  planned: PlannedPayment,
  once: string | undefined,
  signal: AbortSignal
): Promise<ShownPayment> {
  const {to, asset, amountMinor, memo} = planned
  const body = {type: 'account.transfer', to: to.id, asset, amountMinor, ...(memo !== null && {memo})} as const
  const named = once === undefined ? {} : {idempotencyKey: `pay.${once}`, lifetimeMs: ONCE_MS}
  const {seq, result} = await context.client.submit(body, {...named, signal}).catch((error: unknown) => {
    throw once === undefined || !isCreoError(error) ? error : refusedOnce(error, once)
  })
  const {decimals} = await termsOf(context, asset, signal)
  const left = formatDecimal(await availableOf(context, asset, signal), decimals)
  return {...shownPayment({...planned, left}, 'paid'), transfer: String(result.transfer), seq}
}

/** One that was not made. */
export function shownPayment({to, amountMinor: _, ...planned}: PlannedPayment, status: ShownPayment['status']): ShownPayment {
  return {status, transfer: null, ...planned, to: to.name, toId: to.id, seq: null}
}

/** The ledger repeats its first answer to a name, also a refusal. */
function refusedOnce(error: CreoError, once: string): CreoError {
  const hint =
    error.code === 'idempotency_conflict'
      ? `Another payment has the name "${once}": see creo account history, or give another --once.`
      : `Nothing was paid. Once what is wrong is mended, give another --once: "${once}" stays refused for a day.`
  return new CreoError(error.code, error.message, {hint, cause: error})
}

function memoFrom(memo: string | undefined): string | null {
  if (memo === undefined) return null
  const parsed = memoSchema.safeParse(memo)
  if (parsed.success) return parsed.data
  throw new CreoError('invalid_input', 'That is no memo.', {
    hint: 'Write one line of at most 64 bytes; a letter with an accent is two or three.'
  })
}

/** `org` is the account that alone may be given it; absent where anybody may. */
async function termsOf(
  context: AccountContext,
  asset: string,
  signal: AbortSignal
): Promise<{readonly asset: string; readonly decimals: number; readonly org?: string}> {
  if (asset.toLowerCase() === GUTTA) return {asset: GUTTA, decimals: GUTTA_DECIMALS}
  const {id, decimals, org, transferable} = await findIncentive(context, asset, signal)
  return {asset: id, decimals, ...(!transferable && {org})}
}

async function availableOf({client, account}: AccountContext, asset: string, signal: AbortSignal): Promise<number> {
  const {balances} = await client.balances(account.id, signal)
  return balances.find((balance) => balance.asset === asset && balance.kind === 'available')?.amountMinor ?? 0
}
