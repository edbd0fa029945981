/** Words on a kernel's command line that shall be there and words that shall not. */
export interface KernelWords {
  readonly add: readonly string[]
  readonly drop: readonly string[]
}

/**
 * The one line of a Raspberry Pi's cmdline.txt with these words; every other word, `root=` first of all, stays as it is.
 * Undefined when the text is not one line with a root, and so better left alone.
 */
export function inBootLine(text: string, change: KernelWords): string | undefined {
  const ending = /\s*$/.exec(text)?.[0] ?? ''
  const line = text.slice(0, text.length - ending.length)
  if (line.includes('\n') || !/(^|\s)root=\S/.test(line)) return undefined
  return changed(line, change) + ending
}

/**
 * /etc/default/grub with these words in GRUB_CMDLINE_LINUX, which is for every kernel and mode. Undefined when the text sets that in a way that can't be
 * read for certain.
 */
export function inGrubSettings(text: string, change: KernelWords): string | undefined {
  const lines = text.split('\n')
  const found = lines.flatMap((line, index) => (/^\s*(export\s+)?GRUB_CMDLINE_LINUX\s*\+?=/.test(line) ? [index] : []))
  const [at] = found
  if (at === undefined) return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}GRUB_CMDLINE_LINUX="${change.add.join(' ')}"\n`
  const parts = /^GRUB_CMDLINE_LINUX=(["']?)([^"'`$\\]*)\1\s*$/.exec(lines[at] ?? '')
  if (found.length > 1 || !parts || (parts[1] === '' && /\s/.test(parts[2] ?? ''))) return undefined
  const quote = parts[1] === "'" ? "'" : '"'
  return lines.with(at, `GRUB_CMDLINE_LINUX=${quote}${changed(parts[2] ?? '', change).trim()}${quote}`).join('\n')
}

function changed(line: string, {add, drop}: KernelWords): string {
  const kept = drop.reduce((text, word) => text.replaceAll(new RegExp(`(^|\\s)${escaped(word)}(?=\\s|$)`, 'g'), ''), line)
  const missing = add.filter((word) => !kept.split(/\s+/).includes(word))
  return [kept, ...missing].filter((part) => part !== '').join(' ')
}

function escaped(word: string): string {
  return word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
