import {z} from 'zod'
import {accountShapes} from './accounts.ts'
import {appShapes, logLine} from './apps.ts'
import {deployShapes, devLine} from './deploys.ts'
import {count, error, functionRevision} from './form.ts'
import {marketShapes, tradeLine} from './market.ts'
import {miningShapes, nodeLogLine} from './mining.ts'
import {networkShapes} from './networks.ts'

/** What each command answers under `--json`: docs/JSON.md, as schemas that take no other field. */
export const ANSWERS: Readonly<Record<string, z.ZodType>> = {
  ...accountShapes,
  ...appShapes,
  ...deployShapes,
  ...marketShapes,
  ...miningShapes,
  ...networkShapes
}

const text = z.string().min(1)
const ready = {ready: z.literal(true), pid: z.int().min(1)}
const gateway = z.strictObject({
  id: text,
  name: text,
  connected: z.boolean(),
  roundTripMs: count.nullable(),
  leftUntilMs: count.nullable(),
  reachedAtMs: count.nullable(),
  reachedInMs: count.nullable(),
  unreachedSinceMs: count.nullable()
})

/** What commands that go on write meanwhile, one object a line. */
export const LINES: Readonly<Record<string, z.ZodType>> = {
  'coordinator serve': z.strictObject({...ready, role: z.literal('coordinator'), networkId: text, urls: z.strictObject({api: text})}),
  dev: devLine,
  'gateway serve': z.strictObject({
    ...ready,
    role: z.literal('gateway'),
    id: text,
    publicKey: text,
    urls: z.strictObject({public: text, tunnel: text})
  }),
  logs: logLine,
  'mine logs': nodeLogLine,
  'mine start': z.strictObject({...ready, role: z.literal('miner'), node: text, urls: z.strictObject({}), gateways: z.array(gateway)}),
  'trade watch': tradeLine
}

const trouble = z.strictObject({
  function: text,
  revision: text,
  reason: text,
  message: text,
  node: text.nullable(),
  instance: text.nullable(),
  exitCode: z.int().nullable(),
  signal: text.nullable(),
  log: z.array(z.string()),
  rollback: text.nullable()
})

/** What any command answers that fails; what stands beside `error` depends on its code. */
export const ERROR = z.strictObject({
  error,
  /** `no_account`. */
  network: text.optional(),
  account: text.nullable().optional(),
  /** `invalid_manifest`. */
  problems: z.array(z.strictObject({line: count, column: count, message: text, nearest: text.optional()})).optional(),
  /** `deploy_failed` and `still_running`. */
  org: text.optional(),
  app: text.optional(),
  seq: count.optional(),
  revisions: z.array(functionRevision).optional(),
  addresses: z.array(text).optional(),
  trouble: trouble.optional(),
  /** Of `creo up`. */
  directory: text.optional(),
  steps: z.array(z.record(z.string(), z.unknown())).optional(),
  step: text.nullable().optional()
})

/** Throws when what a command printed under `--json` is not what docs/JSON.md promises. */
export function checkJson(args: readonly string[], stdout: string): void {
  const name = commandOf(args)
  const {lines, last} = printed(stdout)
  for (const line of lines) check(name, isError(line) ? ERROR : LINES[name], line)
  if (last !== undefined) check(name, isError(last) ? ERROR : ANSWERS[name], last)
}

function check(name: string, shape: z.ZodType | undefined, value: unknown): void {
  if (shape === undefined) throw new Error(`creo ${name} has no shape for ${JSON.stringify(value)}`)
  const {success, error: wrong} = shape.safeParse(value)
  if (!success) throw new Error(`creo ${name} --json is not what its shape says: ${z.prettifyError(wrong)}\n${JSON.stringify(value)}`)
}

/** Objects of a line each, and the indented one at the end. What is no JSON is for the test to see. */
function printed(stdout: string): {readonly lines: readonly unknown[]; readonly last: unknown} {
  const all = stdout.split('\n')
  const start = all.indexOf('{')
  const streamed = (start === -1 ? all : all.slice(0, start)).filter((line) => line !== '').map(parsed)
  return {lines: streamed.filter((line) => line !== undefined), last: start === -1 ? undefined : parsed(all.slice(start).join('\n'))}
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isError(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'error' in value && !('event' in value)
}

/** The longest command that the line begins with; of an unknown one its first word, which has no shape but that of an error. */
function commandOf(args: readonly string[]): string {
  const words = args.filter((arg) => !arg.startsWith('-'))
  const names = [3, 2, 1].map((length) => words.slice(0, length).join(' '))
  return names.find((name) => Object.hasOwn(ANSWERS, name)) ?? words[0] ?? ''
}
