import {parse as parseYaml} from 'yaml'
import {z} from 'zod'
import {readFileIfThere} from '../config/durable-file.ts'
import {CreoError} from '../core/errors.ts'
import {IN_WORDS, parsedOr, problemsText} from '../core/issue-words.ts'
import {emissionSchema, type Genesis, genesisSchema, type Protection, protectionSchema} from '../core/protocol/genesis.ts'
import {AMOUNT_MAX, MICRO_GUTTA_PER_GUTTA} from '../core/units.ts'
import {BASES_ORG} from '../images/bases.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const FILE_BYTES_MAX = 64 * 1024
/** Nested aliases beyond this are no terms. */
const ALIASES_MAX = 100

/** Why these: docs/MONEY.md, "Opening and protection". */
const PROTECTION: Protection = {openingMs: 30 * MINUTE_MS, auctionMs: 5 * MINUTE_MS, staticPpm: 300_000, dynamicPpm: 100_000}
const QUICK_PROTECTION: Protection = {...PROTECTION, openingMs: 10_000, auctionMs: 5000}

/** A genesis without what is made with it: its keys and its time. */
const termsSchema = genesisSchema.omit({coordinatorKey: true, operatorKey: true, createdAtMs: true})
export type Terms = z.output<typeof termsSchema>
/** In the form of genesis.json. */
export type WrittenTerms = Omit<z.input<typeof termsSchema>, 'protection'> & {readonly protection: Protection | null}

/** What a file of terms may hold: a genesis in part, without what is made with it. */
const choicesSchema = termsSchema.partial().extend({
  emission: emissionSchema.partial().optional(),
  fees: genesisSchema.shape.fees.partial().optional(),
  protection: protectionSchema.nullable().optional()
})
/** What a founder chose; the rest is as usual for that kind of network. `protection` null: none; a band of 0: none. */
export type TermChoices = Omit<z.output<typeof choicesSchema>, 'protection'> & {
  readonly protection?: {readonly [name in keyof Protection]?: number | undefined} | null | undefined
}
const NO_BANDS = {staticPpm: 0, dynamicPpm: 0} as const

/**
 * Choices in the form of genesis.json, as JSON or YAML, whole or in part.
 * @throws {CreoError} `not_found`, `invalid_input` with what is wrong in it.
 */
export async function readChoices(path: string): Promise<TermChoices> {
  const bytes = await readFileIfThere(path, FILE_BYTES_MAX)
  if (bytes === undefined) throw new CreoError('not_found', `There is no ${path}.`, {hint: 'Name a file with --genesis.'})
  const hint = 'creo coordinator init --dry-run --json shows, as `genesis`, all that may stand there.'
  const {protection, ...choices} = parsedOr(
    choicesSchema,
    parsed(path, bytes.toString(), hint),
    (wrong, cause) => new CreoError('invalid_input', `${path}: ${wrong}${wrong.endsWith('?') ? '' : '.'}`, {hint, cause})
  )
  // As in a genesis, a band that is not named there is none.
  return {...choices, protection: protection && {...NO_BANDS, ...protection}}
}

/** Where both say something the second holds. */
export function withChoices(first: TermChoices, second: TermChoices): TermChoices {
  const protection =
    second.protection === undefined ? first.protection : second.protection && {...first.protection, ...said(second.protection)}
  return {
    ...first,
    ...said(second),
    emission: {...first.emission, ...said(second.emission ?? {})},
    fees: {...first.fees, ...said(second.fees ?? {})},
    protection
  }
}

function said<T extends object>(choices: T): Partial<T> {
  return Object.fromEntries(Object.entries(choices).filter(([, value]) => value !== undefined)) as Partial<T>
}

/**
 * The terms that the choices make, checked as a genesis is.
 * @throws {CreoError} `invalid_input`
 */
export function termsOf(choices: TermChoices): Terms {
  const {network = 'production', emission, fees, protection, ...others} = choices
  if (choices.exchangeOrg === BASES_ORG)
    throw new CreoError('invalid_input', `The name "${BASES_ORG}" is the network's own: its base images lie under it.`, {
      hint: 'Choose another with --exchange-org.'
    })
  const usual = usualTerms(network)
  const chosen = {
    ...usual,
    ...others,
    emission: {...usual.emission, ...emission},
    fees: {...usual.fees, ...fees},
    protection: protection === undefined ? usual.protection : protection === null ? undefined : protectedBy(network, protection)
  }
  try {
    const terms = termsSchema.parse(z.encode(termsSchema, chosen, IN_WORDS), IN_WORDS)
    if (terms.emission.perEpochMicroGutta <= terms.emission.totalMicroGutta) return terms
  } catch (cause) {
    if (!(cause instanceof z.ZodError)) throw cause
    throw new CreoError('invalid_input', `${problemsText(cause.issues, 'the genesis')}.`, {hint: 'creo coordinator init --help', cause})
  }
  throw new CreoError('invalid_input', 'One epoch would bring more Gutta than there may ever be.', {
    hint: 'Lower --emission, or raise --emission-total.'
  })
}

/** As `--genesis` reads them. */
export function writtenTerms(terms: Terms): WrittenTerms {
  return {...z.encode(termsSchema, terms), protection: terms.protection ?? null}
}

function usualTerms(network: Genesis['network']): Terms {
  const isDevelopment = network === 'development'
  return {
    format: 'creo-genesis-v1',
    network,
    name: 'creo',
    exchangeOrg: 'creometry',
    ruleset: '1',
    emission: {
      epochMs: isDevelopment ? 10_000 : HOUR_MS,
      perEpochMicroGutta: 1000 * MICRO_GUTTA_PER_GUTTA,
      halvingEpochs: isDevelopment ? 0 : 35_040,
      totalMicroGutta: isDevelopment ? AMOUNT_MAX : 70_080_000 * MICRO_GUTTA_PER_GUTTA,
      ownerShareMaxPermille: isDevelopment ? 1000 : 250,
      workPerRequest: 100,
      workPerMillionMibMs: 10_000
    },
    fees: {makerPpm: 0, takerPpm: 2000},
    redemptionTimeoutMs: isDevelopment ? 5 * MINUTE_MS : 7 * 24 * HOUR_MS,
    receiptGraceMs: isDevelopment ? 2 * MINUTE_MS : 24 * HOUR_MS,
    recoveryDelayMs: isDevelopment ? MINUTE_MS : 72 * HOUR_MS,
    ...(!isDevelopment && {protection: PROTECTION}),
    volumeBucketMs: isDevelopment ? MINUTE_MS : HOUR_MS,
    volumeBuckets: 24
  }
}

function protectedBy(network: Genesis['network'], chosen: NonNullable<TermChoices['protection']>): Protection {
  const {openingMs, auctionMs, staticPpm, dynamicPpm} = {...(network === 'development' ? QUICK_PROTECTION : PROTECTION), ...said(chosen)}
  return {openingMs, auctionMs, ...(staticPpm !== 0 && {staticPpm}), ...(dynamicPpm !== 0 && {dynamicPpm})}
}

function parsed(path: string, text: string, hint: string): unknown {
  try {
    return parseYaml(text, {maxAliasCount: ALIASES_MAX})
  } catch (cause) {
    throw new CreoError('invalid_input', `${path} is neither YAML nor JSON.`, {hint, cause})
  }
}
