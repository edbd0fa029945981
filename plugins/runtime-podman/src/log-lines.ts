/** A line as the container's monitor writes it: time, stream, F for a whole line or P for a part, and what the function wrote. */
const FIELDS_BEFORE_TEXT = 3
const NEWLINE = 10
const SPACE = 32

/** Takes the monitor's own words off each line of one file, given piece by piece. */
export function unwrapLines(): (chunk: Buffer) => Buffer {
  let rest: Buffer = Buffer.alloc(0)
  return (chunk) => {
    const bytes = Buffer.concat([rest, chunk])
    const texts: Buffer[] = []
    let from = 0
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, from)) {
      texts.push(textOf(bytes.subarray(from, end + 1)))
      from = end + 1
    }
    rest = Buffer.from(bytes.subarray(from))
    return Buffer.concat(texts)
  }
}

function textOf(line: Buffer): Buffer {
  let at = 0
  for (let field = 0; field < FIELDS_BEFORE_TEXT; field++) {
    const space = line.indexOf(SPACE, at)
    if (space === -1) return Buffer.alloc(0)
    at = space + 1
  }
  const isPart = line[at - 2] === 'P'.charCodeAt(0)
  return isPart ? line.subarray(at, -1) : line.subarray(at)
}
