/** Resting orders that one command may meet; what is left of it then expires with reason `crossing_limit`. */
export const CROSSINGS_MAX = 1000
/** Expiries that one `time.advance` carries out. */
export const EXPIRIES_MAX = 1000
export const OPEN_ORDERS_PER_ACCOUNT_MAX = 10_000
export const OPEN_ORDERS_MAX = 4_000_000
export const NODE_TOKENS_OPEN_MAX = 100_000
/** Idempotency keys remembered at a time; they are forgotten at their command's not-after. */
export const IDEMPOTENCY_KEYS_MAX = 1_000_000
export const FUNCTIONS_PER_APP_MAX = 64
/** Revisions that one deploy can make: part of a revision's number. */
export const REVISIONS_PER_DEPLOY_MAX = 64
/** `function--app--org` is one DNS label. */
export const DNS_LABEL_MAX = 63
/** Time after a lease's end in which receipts of it are still paid. Then what is left returns to the pool. */
export const LEASE_RECEIPT_GRACE_MS = 24 * 3600 * 1000
/** How far the clock of a gateway's window may be off the lease's term. */
export const RECEIPT_WINDOW_SKEW_MAX_MS = 300_000
