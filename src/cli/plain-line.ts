/** What moves a cursor, ends a line, or turns the direction of what follows: controls, line and paragraph separators, bidirectional marks. */
const UNSAFE = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu
const DELETE = 0x7f
const CONTROL_PICTURES = 0x2400
const PICTURE_OF_DELETE = '\u2421'
const OTHER_PICTURE = '\ufffd'

/**
 * Text of others as one line that does nothing to a terminal: a tab is a space, and what is not to be shown is shown as a sign for itself
 * (an escape as ␛), so that one sees that it is there.
 */
export function plainLine(text: string): string {
  return text.replace(UNSAFE, picture)
}

/** JSON that a terminal may show: escapes what `JSON.stringify` leaves as it is. The value stays the same. */
export function plainJson(json: string): string {
  return json.replace(UNSAFE, (sign) => (sign === '\n' ? sign : `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`))
}

function picture(sign: string): string {
  const code = sign.charCodeAt(0)
  if (sign === '\t') return ' '
  if (code < 0x20) return String.fromCharCode(CONTROL_PICTURES + code)
  return code === DELETE ? PICTURE_OF_DELETE : OTHER_PICTURE
}
