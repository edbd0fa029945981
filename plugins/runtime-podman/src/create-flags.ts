import {isDeepStrictEqual} from 'node:util'

type Refuse = (message: string) => Error
type Fields = Readonly<Record<string, unknown>>

/** What is said by one flag whatever the container, if it says exactly this. */
const FIXED: Readonly<Record<string, readonly [value: unknown, flags: readonly string[]]>> = {
  netns: [{nsmode: 'none'}, ['--network', 'none']],
  // Said by the id map.
  userns: [{nsmode: 'private'}, []],
  ipcns: [{nsmode: 'private'}, ['--ipc', 'private']],
  pidns: [{nsmode: 'private'}, ['--pid', 'private']],
  utsns: [{nsmode: 'private'}, ['--uts', 'private']],
  read_only_filesystem: [true, ['--read-only']],
  read_write_tmpfs: [false, ['--read-only-tmpfs=false']],
  cap_drop: [['all'], ['--cap-drop', 'all']],
  no_new_privileges: [true, ['--security-opt', 'no-new-privileges']],
  image_volume_mode: ['ignore', ['--image-volume', 'ignore']],
  healthconfig: [{Test: ['NONE']}, ['--no-healthcheck']],
  restart_policy: ['no', ['--restart', 'no']],
  systemd: ['false', ['--systemd', 'false']],
  httpproxy: [false, ['--http-proxy=false']],
  use_image_hosts: [true, ['--no-hosts']],
  // podman makes that file for no container without a network, and refuses the flag there.
  use_image_resolve_conf: [true, []],
  terminal: [false, ['--tty=false']],
  stdin: [false, ['--interactive=false']]
}

const OPEN: Readonly<Record<string, (value: never, refuse: Refuse) => readonly string[]>> = {
  name: (name: string) => ['--name', name],
  entrypoint: (argv: readonly string[]) => ['--entrypoint', JSON.stringify(argv)],
  user: (user: string) => ['--user', user],
  env: (env: Fields) => pairs('--env', env),
  labels: (labels: Fields) => pairs('--label', labels),
  sysctl: (sysctls: Fields, refuse) => pairs('--sysctl', sysctls).map((word) => plain(word, refuse)),
  seccomp_profile_path: (path: string) => ['--security-opt', `seccomp=${path}`],
  shm_size: (bytes: number) => ['--shm-size', `${bytes}b`],
  oom_score_adj: (score: number) => ['--oom-score-adj', String(score)],
  idmappings,
  mounts: (mounts: readonly Fields[], refuse) => mounts.flatMap((mount) => mountFlags(mount, refuse)),
  resource_limits: resourceFlags,
  r_limits: (limits: readonly Fields[], refuse) =>
    limits.flatMap((limit) => {
      const {type, soft, hard} = only(limit, ['type', 'soft', 'hard'], refuse)
      return ['--ulimit', `${type}=${soft}:${hard}`]
    }),
  log_configuration: (log: Fields, refuse) => {
    const {driver, path, size} = only(log, ['driver', 'path', 'size'], refuse)
    return ['--log-driver', String(driver), '--log-opt', `path=${plain(String(path), refuse)}`, '--log-opt', `max-size=${size}b`]
  }
}

/**
 * The arguments of `podman create` that say what `spec` says to podman's API: `containerSpec`'s, every field of it.
 * @throws what `refuse` makes of a field or a value that the command line can't say, so that none is ever left out.
 */
export function createFlags(spec: Fields, refuse: Refuse): readonly string[] {
  const {image, command = [], ...fields} = spec
  const flags = Object.entries(fields).flatMap(([field, value]) => {
    const open = OPEN[field]
    if (open) return open(value as never, refuse)
    const fixed = FIXED[field]
    if (!fixed || !isDeepStrictEqual(value, fixed[0]))
      throw refuse(`podman's command line can't be told ${field}: ${JSON.stringify(value)}`)
    return fixed[1]
  })
  return ['--pull', 'never', ...flags, String(image), ...(command as readonly string[])]
}

function idmappings(ids: Fields, refuse: Refuse): readonly string[] {
  const {UIDMap, GIDMap, HostUIDMapping, HostGIDMapping} = only(ids, ['UIDMap', 'GIDMap', 'HostUIDMapping', 'HostGIDMapping'], refuse)
  if (HostUIDMapping !== false || HostGIDMapping !== false) throw refuse("podman's command line can't be told to keep the host's ids.")
  const say = (flag: string, map: unknown) =>
    (map as readonly Fields[]).flatMap((range) => {
      const {container_id: inside, host_id: outside, size} = only(range, ['container_id', 'host_id', 'size'], refuse)
      return [flag, `${inside}:${outside}:${size}`]
    })
  return [...say('--uidmap', UIDMap), ...say('--gidmap', GIDMap)]
}

function mountFlags(mount: Fields, refuse: Refuse): readonly string[] {
  const {destination, type, source, options} = only(mount, ['destination', 'type', 'source', 'options'], refuse)
  const words = options as readonly string[]
  if (type === 'tmpfs') return ['--tmpfs', `${destination}:${words.join(',')}`]
  if (type !== 'bind') throw refuse(`podman's command line can't be told of a mount of type ${type}.`)
  // `bind` alone is this in a mount flag's words; without, it would be bound with all that is mounted below.
  const said = words.map((word) => (word === 'bind' ? 'bind-nonrecursive' : word))
  if (!words.includes('bind')) throw refuse(`podman's command line can't be told to bind ${destination} with what is below.`)
  const places = [`source=${source}`, `destination=${destination}`].map((word) => plain(word, refuse))
  return ['--mount', ['type=bind', ...places, ...said].join(',')]
}

/** Devices: that all are denied can't be said; it goes unsaid only to a runtime that denies them unasked. */
function resourceFlags(resources: Fields, refuse: Refuse): readonly string[] {
  const {devices, memory, cpu, pids} = only(resources, ['devices', 'memory', 'cpu', 'pids'], refuse)
  if (!isDeepStrictEqual(devices, [{allow: false, access: 'rwm'}])) throw refuse("podman's command line can't be told of devices.")
  const {limit, swap} = only(memory as Fields, ['limit', 'swap'], refuse)
  const {period, quota} = only(cpu as Fields, ['period', 'quota'], refuse)
  const {limit: pidsMax} = only(pids as Fields, ['limit'], refuse)
  return [
    ...['--memory', `${limit}b`],
    ...(swap === undefined ? [] : ['--memory-swap', `${swap}b`]),
    ...['--cpu-period', String(period), '--cpu-quota', String(quota)],
    ...['--pids-limit', String(pidsMax)]
  ]
}

/** The fields, when there are no others. */
function only(fields: Fields, known: readonly string[], refuse: Refuse): Fields {
  const unknown = Object.keys(fields).find((field) => !known.includes(field))
  if (unknown !== undefined) throw refuse(`podman's command line can't be told ${unknown}: ${JSON.stringify(fields[unknown])}`)
  return fields
}

function pairs(flag: string, values: Fields): readonly string[] {
  return Object.entries(values).flatMap(([name, value]) => [flag, `${name}=${value}`])
}

/** podman takes these flags apart at commas and quotes. */
function plain(word: string, refuse: Refuse): string {
  if (/[,"\n]/.test(word))
    throw refuse(`podman's command line can't be told ${JSON.stringify(word)}: it holds a comma, a quote or a line's end.`)
  return word
}
