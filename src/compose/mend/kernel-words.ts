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

const SETTING = /^\s*(export\s+)?GRUB_CMDLINE_LINUX\s*\+?=/

/**
 * /etc/default/grub with these words in GRUB_CMDLINE_LINUX, which is for every kernel and mode. Undefined when the text sets that in a way that can't be
 * read for certain, or when what counts more, another setting or `laterText`, which GRUB reads afterwards, says the opposite.
 */
export function inGrubSettings(text: string, change: KernelWords, laterText = ''): string | undefined {
  const others = [...text.split('\n').filter((line) => !SETTING.test(line)), ...laterText.split('\n')].filter((line) => !/^\s*#/.test(line))
  if (others.some((line) => change.drop.some((word) => wordIn(word).test(line)))) return undefined
  if (laterText.split('\n').some((line) => SETTING.test(line))) return undefined
  const lines = text.split('\n')
  const found = lines.flatMap((line, index) => (SETTING.test(line) ? [index] : []))
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

/** Also within quotation marks. */
function wordIn(word: string): RegExp {
  return new RegExp(`(^|[\\s"'=])${escaped(word)}(?=["'\\s]|$)`)
}

function escaped(word: string): string {
  return word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
