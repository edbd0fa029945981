import assert from 'node:assert'

type Labels = Readonly<Record<string, string>>

/** Series of one metric; further label values are counted together under "other", so that nobody can fill the memory. */
const SERIES_MAX = 1000
const OTHER = 'other'
const LATENCY_BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const

interface Definition {
  readonly name: string
  readonly help: string
  readonly labels?: readonly string[]
}

export interface Counter {
  add(amount?: number, labels?: Labels): void
}
export interface Gauge {
  set(value: number, labels?: Labels): void
  /** Forgets every value: what is not set again is shown no more. */
  clear(): void
}
export interface Histogram {
  observe(seconds: number, labels?: Labels): void
  /** The same for one series, found once: for what happens thousands of times a second. */
  series(labels: Labels): (seconds: number) => void
}

/** The numbers of one process, readable as Prometheus text. */
export interface Metrics {
  counter(definition: Definition): Counter
  gauge(definition: Definition): Gauge
  /** Durations in seconds, in fixed buckets from 1 ms to 10 s. */
  histogram(definition: Definition): Histogram
  text(): string
}

export function createMetrics(): Metrics {
  const writers = new Map<string, () => string[]>()
  const register = (definition: Definition, type: string, lines: () => string[]): void => {
    assert(!writers.has(definition.name), `metric ${definition.name} is registered twice`)
    writers.set(definition.name, () => [`# HELP ${definition.name} ${definition.help}`, `# TYPE ${definition.name} ${type}`, ...lines()])
  }
  return {
    counter: (definition) => {
      const series = createSeries(definition, () => ({value: 0}))
      register(definition, 'counter', () => valueLines(definition.name, series.all))
      return {
        add: (amount = 1, labels = {}) => {
          series.of(labels).value += amount
        }
      }
    },
    gauge: (definition) => {
      const series = createSeries(definition, () => ({value: 0}))
      register(definition, 'gauge', () => valueLines(definition.name, series.all))
      return {
        set: (value, labels = {}) => {
          series.of(labels).value = value
        },
        clear: series.clear
      }
    },
    histogram: (definition) => {
      const series = createSeries(definition, () => ({counts: new Array<number>(LATENCY_BUCKETS_S.length + 1).fill(0), sum: 0}))
      register(definition, 'histogram', () => histogramLines(definition.name, series.all))
      return {
        observe: (seconds, labels = {}) => observe(series.of(labels), seconds),
        series: (labels) => {
          const buckets = series.of(labels)
          return (seconds) => observe(buckets, seconds)
        }
      }
    },
    text: () => `${[...writers.values()].flatMap((lines) => lines()).join('\n')}\n`
  }
}

interface Series<Value> {
  readonly all: ReadonlyMap<string, Value>
  of(labels: Labels): Value
  clear(): void
}

function createSeries<Value>(definition: Definition, initial: () => Value): Series<Value> {
  const names = definition.labels ?? []
  const all = new Map<string, Value>()
  if (names.length === 0) all.set('', initial())
  const at = (key: string): Value => {
    const found = all.get(key)
    if (found !== undefined) return found
    const made = initial()
    all.set(key, made)
    return made
  }
  return {
    all,
    clear: () => all.clear(),
    of: (labels) => {
      const key = labelText(names, (name) => labels[name] ?? '')
      return all.has(key) || all.size < SERIES_MAX ? at(key) : at(labelText(names, () => OTHER))
    }
  }
}

function labelText(names: readonly string[], value: (name: string) => string): string {
  return names.map((name) => `${name}="${value(name).replace(/[\\"\n]/g, (char) => (char === '\n' ? '\\n' : `\\${char}`))}"`).join(',')
}

function valueLines(name: string, series: ReadonlyMap<string, {readonly value: number}>): string[] {
  return [...series].map(([labels, {value}]) => `${name}${braces(labels)} ${value}`)
}

interface Buckets {
  readonly counts: number[]
  sum: number
}

function observe(buckets: Buckets, seconds: number): void {
  const found = LATENCY_BUCKETS_S.findIndex((bound) => seconds <= bound)
  const index = found === -1 ? LATENCY_BUCKETS_S.length : found
  buckets.counts[index] = (buckets.counts[index] ?? 0) + 1
  buckets.sum += seconds
}

function histogramLines(name: string, series: ReadonlyMap<string, Buckets>): string[] {
  return [...series].flatMap(([labels, {counts, sum}]) => {
    let total = 0
    const bounds = [...LATENCY_BUCKETS_S.map(String), '+Inf']
    const buckets = bounds.map((bound, index) => {
      total += counts[index] ?? 0
      return `${name}_bucket${braces(labels === '' ? `le="${bound}"` : `${labels},le="${bound}"`)} ${total}`
    })
    return [...buckets, `${name}_sum${braces(labels)} ${sum}`, `${name}_count${braces(labels)} ${total}`]
  })
}

function braces(labels: string): string {
  return labels === '' ? '' : `{${labels}}`
}
