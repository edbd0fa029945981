interface Described {
  readonly description: string
  readonly oclif: {readonly topics: Readonly<Record<string, {readonly description: string}>>}
}

/** creo(1) in roff: what it is, its topics as package.json describes them, and where it keeps what. */
export function manualPage({description, oclif}: Described, version: string): string {
  const topics = Object.entries(oclif.topics).filter(([name]) => !name.includes(':'))
  const listed = topics.flatMap(([name, topic]) => ['.TP', `.B ${text(name)}`, text(topic.description)])
  return [
    `.TH CREO 1 "" "creo ${text(version)}" "User Commands"`,
    '.SH NAME',
    "creo \\- run a web business on volunteers' machines",
    '.SH SYNOPSIS',
    '.B creo',
    '.I command',
    '[\\fIargument\\fR ...] [\\fB\\-\\-json\\fR]',
    '.SH DESCRIPTION',
    text(description),
    '.PP',
    'Each command explains itself: \\fBcreo help\\fR lists them, \\fBcreo\\fR \\fIcommand\\fR \\fB\\-\\-help\\fR shows one with examples.',
    'With \\fB\\-\\-json\\fR a command prints one JSON object for programs.',
    '.SH TOPICS',
    ...listed,
    '.SH EXIT STATUS',
    '0 when all went well, 1 when something failed, 2 for a wrong command line, 3 when it was refused, 4 when something was not found, 5 when somebody did not answer, 6 when it goes on after the command, 130 when it was interrupted.',
    '.SH ENVIRONMENT',
    '.TP',
    '.B CREO_DATA_DIR',
    'The folder of keys, nodes and plugins, in place of \\fI~/.local/share/creo\\fR.',
    '.TP',
    '.B CREO_CONFIG_DIR',
    'The folder of settings, in place of \\fI~/.config/creo\\fR.',
    '.TP',
    '.B CREO_LOG_LEVEL',
    'debug, info, warn or error.',
    '.SH FILES',
    '.TP',
    '.I /var/lib/creo',
    'Ledgers, keys and nodes of the services. They stay when the package is purged.',
    '.TP',
    '.I /etc/default/creo\\-coordinator, /etc/default/creo\\-gateway',
    'What the services are started with.',
    ''
  ].join('\n')
}

/** Text that roff prints as it is. */
function text(words: string): string {
  const escaped = words.replaceAll('\\', '\\e').replaceAll('-', '\\-')
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped
}
