import type {Outcome} from '../core/exchange/outcome.ts'
import {isPacked, type JournalBody, type JournaledCommand, type JournalGroup, type StateDigest} from './group.ts'
import {PackedReader} from './packed-body.ts'

const FIRST = '{"commands":['
/** Between a command, which ends as an object does, and what it came to. No string holds it, since each quote in one is escaped. */
const OUTCOME = '},"outcome":'

/** Reads a group's commands one after another, and says of what each has come to now whether it is what was journaled. */
export interface BodyReader {
  /** Commands that were read; after the last one, all of the body's. */
  readonly count: number
  /** After the last command: what the state was then, if the group says it. */
  readonly state: StateDigest | undefined
  /** Undefined after the last one. `didSo` must have been asked of the one before. `type` is what the journal calls it, if it does. */
  next(): (Pick<JournaledCommand, 'atMs' | 'command'> & {readonly type?: string}) | undefined
  /** Whether the last command's journaled outcome means the same as this one. */
  didSo(outcome: Outcome): boolean
}

/** Only of groups whose hash has been checked. */
export function bodyReader({body, firstSeq}: Pick<JournalGroup, 'body' | 'firstSeq'>): BodyReader {
  return isPacked(body) ? new PackedReader(body, firstSeq) : new TextReader(body)
}

/**
 * Reads what earlier versions wrote. Outcomes are most of such a body and nearly always the same text as when they were written, so they are compared as
 * texts and not parsed; the first that is another text has what is left of the body parsed and compared by its meaning.
 */
class TextReader implements BodyReader {
  readonly #body: Uint8Array
  readonly #text: string
  /** Where the next command begins, and where the outcome of the last one does. */
  #at = FIRST.length
  #outcomeAt = 0
  #count = 0
  #isLast = false
  #parsed: JournalBody | undefined
  #state: StateDigest | undefined

  constructor(body: Uint8Array) {
    this.#body = body
    this.#text = new TextDecoder().decode(body)
    if (!this.#text.startsWith(FIRST)) this.#parse()
  }

  /** Commands that were read; after the last one, all of the body's. */
  get count(): number {
    return this.#count
  }

  /** After the last command: what the state was then, if the group says it. */
  get state(): StateDigest | undefined {
    return this.#state
  }

  /** Undefined after the last one. `didSo` must have been asked of the one before. */
  next(): Pick<JournaledCommand, 'atMs' | 'command'> | undefined {
    if (this.#isLast) this.#end()
    const command = this.#parsed === undefined ? this.#cut() : this.#parsed.commands[this.#count]
    if (command === undefined) this.#state = this.#parsed?.state
    else this.#count += 1
    return command
  }

  /** Whether the last command's journaled outcome means the same as this one. */
  didSo(outcome: Outcome): boolean {
    if (this.#parsed === undefined && this.#isText(JSON.stringify(outcome))) return true
    const journaled = this.#parse().commands[this.#count - 1]?.outcome
    return journaled !== undefined && meaningOf(journaled as Outcome) === meaningOf(outcome)
  }

  #cut(): Pick<JournaledCommand, 'atMs' | 'command'> | undefined {
    const end = this.#text.indexOf(OUTCOME, this.#at)
    try {
      const command = JSON.parse(`${this.#text.slice(this.#at, end)}}}`) as Pick<JournaledCommand, 'atMs' | 'command'>
      this.#outcomeAt = end + OUTCOME.length
      return command
    } catch {
      return this.#parse().commands[this.#count]
    }
  }

  #isText(outcome: string): boolean {
    const end = this.#outcomeAt + outcome.length
    // Ten times as fast as `startsWith`, which compares letter by letter.
    if (this.#text.slice(this.#outcomeAt, end) !== outcome || this.#text[end] !== '}') return false
    const after = this.#text[end + 1]
    this.#isLast = after === ']'
    this.#at = end + (this.#isLast ? 1 : 2)
    return this.#isLast || after === ','
  }

  /** Reads what follows the last command. */
  #end(): void {
    this.#isLast = false
    const state = (JSON.parse(`{"commands":[${this.#text.slice(this.#at)}`) as JournalBody).state
    this.#parsed = {commands: [], ...(state && {state})}
  }

  #parse(): JournalBody {
    this.#parsed ??= JSON.parse(new TextDecoder().decode(this.#body)) as JournalBody
    return this.#parsed
  }
}

/** Everything of an outcome but the words of a rejection, which another version of creo may choose better. */
function meaningOf({answer, effects, repeats}: Outcome): string {
  const meant = answer.status === 'applied' ? answer : {status: answer.status, code: answer.code}
  return JSON.stringify({answer: meant, effects, repeats})
}
