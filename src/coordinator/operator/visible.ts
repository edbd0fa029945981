const TEXT_CHARS_MAX = 200

/** Text of others for a page: no control characters, none that turn the direction of what is around it, none that is not seen; cut to a line. */
export function visible(text: string): string {
  const plain = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]+/gu, ' ').trim()
  return plain.length > TEXT_CHARS_MAX ? `${plain.slice(0, TEXT_CHARS_MAX - 1)}…` : plain
}
