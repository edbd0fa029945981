const SECOND_MS = 1000
const DAY_MS = 24 * 3600 * SECOND_MS

/** Resting orders that one command may meet; what is left of it then expires with reason `crossing_limit`. */
export const CROSSINGS_MAX = 1000
/** Orders that one command looks at for prices of an auction, besides those of the first: each price takes a look at all that cross. */
export const AUCTION_LOOKED_MAX = 100_000
/** Expiries that one `time.advance` carries out, and ended ones that one command clears away. */
export const EXPIRIES_MAX = 1000
/** Expiries of what ended before its time may be this many, or as many as the others, before they are cleared away. */
export const EXPIRIES_ENDED_MAX = 1024
/** Open orders of one account, of one incentive, and of all. A market is full before the whole is. */
export const OPEN_ORDERS_PER_ACCOUNT_MAX = 10_000
export const OPEN_ORDERS_PER_INCENTIVE_MAX = 400_000
export const OPEN_ORDERS_MAX = 4_000_000
/** Orders that one command takes back. */
export const CANCELLED_MAX = 1000
/** How far ahead the time of a GTT order may lie. */
export const ORDER_LIFETIME_MAX_MS = 366 * DAY_MS
export const INCENTIVES_PER_ORG_MAX = 1000
export const INCENTIVES_MAX = 1_000_000
/** Of one incentive, those that ended too, and of all. */
export const OFFERS_PER_INCENTIVE_MAX = 10_000
export const OFFERS_MAX = 2_000_000
/** Join tokens that wait to be used: of one account, of all, and beyond that of accounts that have no other. */
export const NODE_TOKENS_PER_ACCOUNT_MAX = 100
export const NODE_TOKENS_OPEN_MAX = 100_000
export const NODE_TOKENS_RESERVED = 20_000
export const NODE_TOKEN_LIFETIME_MAX_MS = 30 * DAY_MS
/** Invitations that nobody has accepted: of one account, of all, and beyond that of accounts that have no other. */
export const INVITES_PER_ACCOUNT_MAX = 16
export const INVITES_OPEN_MAX = 100_000
export const INVITES_RESERVED = 20_000
export const INVITE_LIFETIME_MAX_MS = 30 * DAY_MS
/** Time between the start of a recovery and its effect, where the genesis does not say another. */
export const RECOVERY_DELAY_MS = 3 * DAY_MS
/** Idempotency keys remembered at a time, of which some are kept for the network's own commands, and at most so many are one account's. */
export const IDEMPOTENCY_KEYS_MAX = 1_000_000
export const IDEMPOTENCY_KEYS_RESERVED = 200_000
export const IDEMPOTENCY_KEYS_PER_ACCOUNT_MAX = 100_000
export const FUNCTIONS_PER_APP_MAX = 64
/** Revisions that one deploy can make: part of a revision's number. */
export const REVISIONS_PER_DEPLOY_MAX = 64
/** Images, accounts and domains that the operator blocks at a time. */
export const BLOCKS_MAX = 100_000
/** Revisions without traffic and tag that a function can go back to. */
export const REVISIONS_KEPT_MAX = 10
/** `function--app--org`, with or without a tag in front, is one DNS label. */
export const DNS_LABEL_MAX = 63
/** How far the clocks of those who sign windows and terms may be off the ledger's. */
export const CLOCK_SKEW_MAX_MS = 300 * SECOND_MS
