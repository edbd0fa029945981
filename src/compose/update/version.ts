import {CreoError} from '../../core/errors.ts'

const VERSION = /^(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:-([0-9A-Za-z.-]{1,60}))?$/

/** Negative when `left` is older, as Semantic Versioning orders them. @throws {CreoError} `invalid_input` for what is no version. */
export function compareVersions(left: string, right: string): number {
  const [a, b] = [parse(left), parse(right)]
  const numbers = [0, 1, 2].map((index) => (a.numbers[index] ?? 0) - (b.numbers[index] ?? 0)).find((difference) => difference !== 0)
  if (numbers !== undefined) return numbers
  if (a.words.length === 0 || b.words.length === 0) return b.words.length - a.words.length
  for (let index = 0; index < Math.max(a.words.length, b.words.length); index += 1) {
    const difference = compareWords(a.words[index], b.words[index])
    if (difference !== 0) return difference
  }
  return 0
}

/** Of a version before a release: a shorter one is older, a number is older than a word. */
function compareWords(left: string | undefined, right: string | undefined): number {
  if (left === undefined || right === undefined) return Number(left !== undefined) - Number(right !== undefined)
  const [isLeftNumber, isRightNumber] = [left, right].map((word) => /^\d+$/.test(word))
  if (isLeftNumber && isRightNumber) return Number(left) - Number(right)
  if (isLeftNumber !== isRightNumber) return isLeftNumber ? -1 : 1
  return left === right ? 0 : left < right ? -1 : 1
}

function parse(version: string): {readonly numbers: readonly number[]; readonly words: readonly string[]} {
  const match = VERSION.exec(version)
  if (match === null) throw new CreoError('invalid_input', `"${version}" is no version.`, {hint: 'One is written like 1.4.0'})
  const [, major, minor, patch, before] = match
  return {numbers: [major, minor, patch].map(Number), words: before?.split('.') ?? []}
}
