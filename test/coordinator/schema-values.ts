import fc from 'fast-check'

export interface JsonSchema {
  readonly type?: string
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: JsonSchema | boolean
  readonly propertyNames?: JsonSchema
  readonly items?: JsonSchema
  readonly pattern?: string
  readonly format?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly default?: unknown
}

const OPTIONAL_SHARE = 0.4
const KNOWN_SHARE = 0.75
const ITEMS_MAX = 4
const SAMPLES = 40
const WORDS = [
  '',
  'a',
  'hello',
  'é ü ñ',
  '日本',
  '<b>',
  "'; DROP TABLE accounts; --",
  '../../etc',
  '\u202e',
  '\u0000',
  '%00',
  '🦜',
  'x'.repeat(300)
]
const LABELS = ['A tree', 'é ü', "'; --", '日本', 'x']

/** Chances that come out the same for the same seed (mulberry32). */
export class Dice {
  #state: number

  constructor(seed: number) {
    this.#state = seed
  }

  below(count: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * count)
  }

  chance(share: number): boolean {
    return this.below(1_000_000) < share * 1_000_000
  }

  pick<T>(values: readonly T[]): T {
    const value = values[this.below(values.length)]
    if (value === undefined && values.length === 0) throw new Error('nothing to pick from')
    return value as T
  }
}

/** Values of JSON Schemas: as a schema says, with names of things that are there where they fit, or with something in them changed. */
export class SchemaValues {
  readonly #dice: Dice
  readonly #known: readonly string[]
  readonly #matching = new Map<string, {readonly known: readonly string[]; readonly made: readonly string[]}>()

  constructor(dice: Dice, known: readonly string[]) {
    this.#dice = dice
    this.#known = known
  }

  valid(schema: JsonSchema): unknown {
    const dice = this.#dice
    const choices = schema.anyOf ?? schema.oneOf
    if (choices) return this.valid(dice.pick(choices))
    if ('const' in schema) return schema.const
    if (schema.enum) return dice.pick(schema.enum)
    switch (schema.type) {
      case 'string':
        return this.#string(schema)
      case 'integer':
      case 'number':
        return this.#number(schema)
      case 'boolean':
        return dice.chance(0.5)
      case 'null':
        return null
      case 'array':
        return this.#array(schema)
      case 'object':
        return this.#object(schema)
      default:
        return this.junk()
    }
  }

  /** The same with one to three changes, anywhere in it. */
  changed(value: unknown): unknown {
    let result = value
    for (let change = this.#dice.below(3); change >= 0; change -= 1) result = this.#changedOnce(result)
    return result
  }

  junk(): unknown {
    const numbers = [0, -1, 1.5, 2 ** 53, 1e308, -0]
    const others = [null, true, [], {}, [[[[[]]]]], {constructor: 1}, {type: 'order.place'}, JSON.parse('{"__proto__": {"a": 1}}')]
    return this.#dice.pick<unknown>([...WORDS, ...this.#known.slice(0, 20), ...numbers, ...others])
  }

  #string({pattern, format, minLength = 0, maxLength = 1000}: JsonSchema): string {
    const dice = this.#dice
    if (format === 'uri') return 'http://127.0.0.1:9'
    if (pattern === undefined) {
      const fitting = [...WORDS, ...this.#known].filter((word) => word.length >= minLength && word.length <= maxLength)
      return dice.pick(fitting)
    }
    const {known, made} = this.#ofPattern(pattern, minLength, maxLength)
    return known.length > 0 && dice.chance(KNOWN_SHARE) ? dice.pick(known) : dice.pick(made)
  }

  #ofPattern(pattern: string, minLength: number, maxLength: number) {
    const name = `${pattern} ${minLength} ${maxLength}`
    const before = this.#matching.get(name)
    if (before) return before
    const expression = new RegExp(pattern, 'u')
    const fits = (text: string): boolean => text.length >= minLength && text.length <= maxLength && expression.test(text)
    const made = pattern.includes('\\p{') ? LABELS : fc.sample(fc.stringMatching(new RegExp(pattern)), {numRuns: SAMPLES, seed: 1})
    const fitting = {known: this.#known.filter(fits), made: [...made, ...LABELS].filter(fits)}
    if (fitting.made.length === 0) throw new Error(`nothing fits ${name}`)
    this.#matching.set(name, fitting)
    return fitting
  }

  #number({type, minimum = -1e6, maximum = 1e6, default: usual}: JsonSchema): number {
    const dice = this.#dice
    if (typeof usual === 'number' && dice.chance(0.3)) return usual
    const soon = Date.now() + 60_000 * (dice.below(20) - 5)
    const fitting = [minimum, maximum, minimum + dice.below(10), soon, dice.below(1000), dice.below(1e9)].filter(
      (value) => value >= minimum && value <= maximum
    )
    return type === 'integer' ? Math.round(dice.pick(fitting)) : dice.pick(fitting)
  }

  #array({items = {}, minItems = 0, maxItems = ITEMS_MAX}: JsonSchema): unknown[] {
    const count = Math.min(maxItems, minItems + this.#dice.below(ITEMS_MAX))
    return Array.from({length: count}, () => this.valid(items))
  }

  #object({properties = {}, required = [], additionalProperties, propertyNames}: JsonSchema): Record<string, unknown> {
    const entries = Object.entries(properties).filter(([name]) => required.includes(name) || this.#dice.chance(OPTIONAL_SHARE))
    const own = entries.map(([name, schema]): [string, unknown] => [name, this.valid(schema)])
    if (typeof additionalProperties !== 'object') return Object.fromEntries(own)
    const more = Array.from({length: this.#dice.below(3)}, (): [string, unknown] => [
      String(propertyNames ? this.valid(propertyNames) : this.#dice.pick(this.#known)),
      this.valid(additionalProperties)
    ])
    return Object.fromEntries([...own, ...more])
  }

  #changedOnce(value: unknown): unknown {
    const dice = this.#dice
    if (typeof value !== 'object' || value === null || dice.chance(0.15)) return this.junk()
    const entries = Object.entries(value)
    const at = dice.below(entries.length)
    const how = dice.pick(['deeper', 'deeper', 'remove', 'add', 'repeat'] as const)
    const changed = entries.flatMap(([key, inner], index): [string, unknown][] => {
      if (index !== at) return [[key, inner]]
      if (how === 'remove') return []
      if (how === 'add')
        return [
          [key, inner],
          [String(this.junk()), this.junk()]
        ]
      return how === 'repeat'
        ? [
            [key, inner],
            [key, inner]
          ]
        : [[key, this.#changedOnce(inner)]]
    })
    return Array.isArray(value) ? changed.map(([, inner]) => inner) : Object.fromEntries(changed)
  }
}
