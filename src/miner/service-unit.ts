import {CreoError} from '../core/errors.ts'

/** Whose service manager runs the node: the machine's, or one user's. */
export type ServiceScope = 'system' | 'user'

export const UNIT_NAME = 'creo-miner.service'

export interface ServiceCommand {
  /** Absolute paths that start creo: of the packaged program, or of Node and the program's first file. */
  readonly program: readonly string[]
  /** The node's folder, an absolute path too. */
  readonly dataDirectory: string
}

/**
 * What holds for the process and everything it starts. Left out is what would keep containers from starting: read-only kernel settings and a hidden
 * /proc (a new one can't be mounted then; ProtectKernelLogs covers a file of it too), a list of capabilities (what root's podman and its runtime
 * begin with is theirs to change), a private host name, refused namespaces and set-uid files, memory that is never both written and executed.
 * ProtectClock also says which devices containers may have, so it is left out as long as nobody has seen them start under it.
 */
const HARDENING: Readonly<Record<ServiceScope, readonly string[]>> = {
  system: [
    'ProtectSystem=full',
    'ProtectKernelModules=yes',
    'LockPersonality=yes',
    'RestrictRealtime=yes',
    'SystemCallArchitectures=native',
    'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK'
  ],
  // A user's manager can set the others only together with what forbids newuidmap, and without it there are no containers.
  user: []
}

/** The machine's manager gives no home: there the packaged program, and what Node compiled, would be written anew at each start. */
const CACHE: Readonly<Record<ServiceScope, readonly string[]>> = {
  system: ['CacheDirectory=creo-miner', 'CacheDirectoryMode=0700', 'Environment=XDG_CACHE_HOME=%C/creo-miner'],
  user: []
}

/** What ProtectHome covers. */
const HOMES = /^\/(home|root|run\/user)\//
/** What PrivateTmp covers. */
const TEMPORARY = /^\/(var\/)?tmp\//

/** A unit for systemd that starts a node as its settings say, and drains it when it stops. */
export function serviceUnit(scope: ServiceScope, command: ServiceCommand): string {
  const {program, dataDirectory} = command
  const start = [...program, 'mine', 'start', '--data', dataDirectory].map(quoted).join(' ')
  return `[Unit]
Description=creo miner: lends this machine to a network and earns incentives
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
ExecStart=${start}
WorkingDirectory=${plain(dataDirectory)}
Restart=on-failure
RestartSec=10
# SIGTERM drains: requests finish, containers stop, receipts are handed in.
KillMode=mixed
TimeoutStopSec=150
# Stopped before it was ready.
SuccessExitStatus=130
# Containers get control groups of their own below this one.
Delegate=yes
# The owner comes first, and when memory is short the node goes before what the owner does.
Nice=10
IOSchedulingClass=idle
OOMScoreAdjust=500
LimitNOFILE=65536
UMask=0077
${[...CACHE[scope], ...HARDENING[scope], ...hidden(scope, command)].map((line) => `${line}\n`).join('')}
[Install]
WantedBy=${scope === 'system' ? 'multi-user.target' : 'default.target'}
`
}

/** The system's node only reads where people live, and sees no temporary files but its own, unless it lives there itself. */
function hidden(scope: ServiceScope, {program, dataDirectory}: ServiceCommand): readonly string[] {
  if (scope === 'user') return []
  return [
    ...(HOMES.test(`${dataDirectory}/`) ? [] : ['ProtectHome=read-only']),
    ...([...program, dataDirectory].some((path) => TEMPORARY.test(`${path}/`)) ? [] : ['PrivateTmp=yes'])
  ]
}

/** One word of a command line: systemd expands % and $ and reads quotes and backslashes. */
function quoted(word: string): string {
  const safe = plain(word).replaceAll('$', '$$$$')
  return /^[\w./:@%$+,=-]+$/.test(safe) ? safe : `"${safe.replace(/["\\]/g, '\\$&')}"`
}

function plain(word: string): string {
  if (/\p{Cc}/u.test(word))
    throw new CreoError('invalid_input', 'A path with control characters cannot stand in a unit.', {hint: 'Choose another folder.'})
  return word.replaceAll('%', '%%')
}
