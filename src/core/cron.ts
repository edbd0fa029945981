/**
 * The five fields of a cron line: minute, hour, day of the month, month, day of the week. Each is `*`, a number, a range `a-b`, any of these with a
 * step `/n`, or several of these with commas; months and weekdays also by their first three letters; Sunday is 0 and 7.
 */
const FIELDS = [
  {what: 'a minute', least: 0, most: 59, words: []},
  {what: 'an hour', least: 0, most: 23, words: []},
  {what: 'a day of the month', least: 1, most: 31, words: []},
  {
    what: 'a month',
    least: 1,
    most: 12,
    words: ['', 'jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
  },
  {what: 'a day of the week', least: 0, most: 7, words: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']}
] as const

type Field = (typeof FIELDS)[number]

/** What is wrong with a cron line, or undefined when its form holds. Whether such a time ever comes (31 February) only a calendar knows. */
export function cronProblem(line: string): string | undefined {
  const given = line.trim().split(/\s+/)
  if (given.length !== FIELDS.length)
    return `must be five fields such as "*/15 * * * *" (minute, hour, day, month, weekday), not ${line.trim() === '' ? 0 : given.length}`
  for (const [index, field] of FIELDS.entries()) {
    const wrong = given[index]?.split(',').find((part) => !holds(part, field))
    if (wrong === undefined) continue
    return `"${wrong}" is not ${field.what}: write ${field.least} to ${field.most}, *, a range a-b, or a step */n`
  }
  return undefined
}

function holds(part: string, field: Field): boolean {
  const [span = '', step, ...more] = part.split('/')
  if (more.length > 0 || (step !== undefined && !isStep(step, field))) return false
  if (span === '*') return true
  const [from = '', to, ...rest] = span.split('-')
  const first = numberIn(from, field)
  if (rest.length > 0 || first === undefined) return false
  if (to === undefined) return step === undefined
  const last = numberIn(to, field)
  return last !== undefined && first <= last
}

function isStep(text: string, {most}: Field): boolean {
  return /^[1-9]\d?$/.test(text) && Number(text) <= most
}

function numberIn(text: string, {least, most, words}: Field): number | undefined {
  const named = (words as readonly string[]).indexOf(text.toLowerCase())
  if (text !== '' && named !== -1) return named
  const value = /^\d{1,2}$/.test(text) ? Number(text) : Number.NaN
  return value >= least && value <= most ? value : undefined
}
