/**
 * Every way creo says no. A code is part of the public contract: scripts branch on it, so codes are only added.
 * `exit` is the process exit code (docs/JSON.md), `http` the status the same error has on the wire.
 */
export const ERROR_CODES = {
  internal: {exit: 1, http: 500},
  failed: {exit: 1, http: 500},
  verification_failed: {exit: 1, http: 422},
  build_failed: {exit: 1, http: 422},
  deploy_failed: {exit: 1, http: 422},
  data_dir_unwritable: {exit: 1, http: 500},
  port_taken: {exit: 1, http: 500},
  usage: {exit: 2, http: 400},
  no_account: {exit: 2, http: 400},
  invalid_input: {exit: 2, http: 400},
  invalid_manifest: {exit: 2, http: 400},
  node_too_old: {exit: 2, http: 500},
  payload_too_large: {exit: 2, http: 413},
  unauthorized: {exit: 3, http: 401},
  bad_signature: {exit: 3, http: 401},
  clock_skew: {exit: 3, http: 401},
  replayed: {exit: 3, http: 409},
  forbidden: {exit: 3, http: 403},
  expired: {exit: 3, http: 409},
  conflict: {exit: 3, http: 409},
  revision_changed: {exit: 3, http: 409},
  insufficient_funds: {exit: 3, http: 409},
  volume_limit: {exit: 3, http: 409},
  supply_exceeded: {exit: 3, http: 409},
  sold_out: {exit: 3, http: 409},
  would_self_trade: {exit: 3, http: 409},
  in_auction: {exit: 3, http: 409},
  price_band: {exit: 3, http: 409},
  not_transferable: {exit: 3, http: 409},
  rejected: {exit: 3, http: 409},
  idempotency_conflict: {exit: 3, http: 409},
  not_a_host_of_limits: {exit: 3, http: 409},
  not_found: {exit: 4, http: 404},
  image_missing: {exit: 4, http: 404},
  wrong_architecture: {exit: 4, http: 404},
  digest_mismatch: {exit: 1, http: 400},
  unavailable: {exit: 5, http: 503},
  timeout: {exit: 5, http: 504},
  overloaded: {exit: 5, http: 503},
  runtime_missing: {exit: 5, http: 503},
  unhealthy: {exit: 5, http: 503},
  no_instance: {exit: 5, http: 503},
  reward_pool_empty: {exit: 5, http: 503},
  bad_gateway: {exit: 5, http: 502},
  asset_tampered: {exit: 5, http: 502},
  rate_limited: {exit: 5, http: 429},
  loop_detected: {exit: 5, http: 508},
  still_running: {exit: 6, http: 202},
  interrupted: {exit: 130, http: 499}
} as const satisfies Record<string, {exit: number; http: number}>

export type ErrorCode = keyof typeof ERROR_CODES

/** An error that the world or a user caused. Branch on `code`; `message` says what and why, `hint` one thing to do. */
export class CreoError extends Error {
  override readonly name = 'CreoError'
  readonly code: ErrorCode
  readonly hint: string | undefined
  /** Fields that a command's `--json` has beside `error`. Never on the wire. */
  readonly beside: Readonly<Record<string, unknown>> | undefined

  constructor(
    code: ErrorCode,
    message: string,
    options: {readonly hint?: string; readonly cause?: unknown; readonly beside?: Readonly<Record<string, unknown>>} = {}
  ) {
    super(message, options.cause === undefined ? undefined : {cause: options.cause})
    this.code = code
    this.hint = options.hint
    this.beside = options.beside
  }

  toJSON(): {code: ErrorCode; message: string; hint?: string} {
    return {code: this.code, message: this.message, ...(this.hint === undefined ? {} : {hint: this.hint})}
  }
}

/** True for a CreoError of this package or of a plugin's own copy of it: compared by shape, never by class. */
export function isCreoError(error: unknown): error is CreoError {
  return error instanceof Error && error.name === 'CreoError' && 'code' in error && String(error.code) in ERROR_CODES
}

/** An error as it came over the wire. A code that this version does not know keeps its words and becomes `fallback`. */
export function errorOfWire(
  error: {readonly code: string; readonly message: string; readonly hint?: string | undefined},
  fallback: ErrorCode = 'failed'
): CreoError {
  const code = isErrorCode(error.code) ? error.code : fallback
  const message = code === error.code ? error.message : `${error.message} (${error.code})`
  return new CreoError(code, message, error.hint === undefined ? {} : {hint: error.hint})
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERROR_CODES, code)
}
