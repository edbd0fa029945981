/** One thing that the probe tries in a container, and how it must come out. */
export interface Refusal {
  /** The probe's name for it, see `probe/`. */
  readonly attack: string
  /** What it would do: "It tries to …". */
  readonly what: string
  /** The part of the sandbox that stands in its way. */
  readonly by: string
  /** The kernel's answers that count as the refusal. */
  readonly answers: readonly string[]
  /** Tried outside too, by root in namespaces of its own: there it must not be answered so, or the probe proves nothing. */
  readonly control?: true
}

/** There is no such file, or it is nobody's to write, or it is empty by decree. */
const HIDDEN = ['ENOENT', 'EACCES', 'EROFS', 'EPERM', 'ENODATA']
const UNREACHABLE = ['ENETUNREACH', 'ECONNREFUSED', 'EADDRNOTAVAIL']

const SECCOMP = 'the seccomp profile'
const CAPABILITIES = 'no capabilities'
const NO_NETWORK = 'no network'
const READ_ONLY = 'the read-only root'
const MASKS = 'a /proc and /sys that are masked and read-only'
const NAMESPACES = 'namespaces of its own'
const DEVICES = 'no devices'

const NAMESPACES_AND_MOUNTS: readonly Refusal[] = [
  {attack: 'unshare-user', what: 'make a user namespace, where it would be root', by: SECCOMP, answers: ['EPERM'], control: true},
  {attack: 'unshare-mounts', what: 'make a mount namespace', by: SECCOMP, answers: ['EPERM'], control: true},
  {attack: 'unshare-network', what: 'make a network namespace', by: SECCOMP, answers: ['EPERM'], control: true},
  {attack: 'unshare-pids', what: 'make a process namespace', by: SECCOMP, answers: ['EPERM'], control: true},
  {attack: 'unshare-ipc', what: 'make a namespace of shared memory', by: SECCOMP, answers: ['EPERM'], control: true},
  {attack: 'unshare-names', what: 'make a namespace of host names', by: SECCOMP, answers: ['EPERM'], control: true},
  {attack: 'unshare-cgroup', what: 'make a control group namespace', by: SECCOMP, answers: ['EPERM'], control: true},
  {attack: 'clone-user', what: 'make a user namespace by clone', by: SECCOMP, answers: ['ENOSYS'], control: true},
  {attack: 'clone-network', what: 'make a network namespace by clone', by: SECCOMP, answers: ['ENOSYS'], control: true},
  {attack: 'clone3-user', what: 'make a user namespace by clone3, which hides its flags', by: SECCOMP, answers: ['ENOSYS'], control: true},
  {attack: 'join-mounts', what: 'join the mount namespace of another process', by: SECCOMP, answers: ['EPERM']},
  {attack: 'join-network', what: 'join the network namespace of another process', by: SECCOMP, answers: ['EPERM']},
  {attack: 'mount-tmpfs', what: 'mount a file system', by: SECCOMP, answers: ['EPERM'], control: true},
  {attack: 'mount-proc', what: 'mount another /proc', by: SECCOMP, answers: ['EPERM'], control: true},
  {attack: 'remount-root', what: 'make the root writable', by: SECCOMP, answers: ['EPERM']},
  {attack: 'bind-mount', what: 'mount a folder at another place', by: SECCOMP, answers: ['EPERM'], control: true},
  {attack: 'unmount', what: 'unmount what hides files', by: SECCOMP, answers: ['EPERM']},
  {attack: 'pivot-root', what: 'change the root of all', by: SECCOMP, answers: ['EPERM']},
  {attack: 'chroot', what: 'change its own root', by: SECCOMP, answers: ['EPERM'], control: true},
  {attack: 'fsopen', what: 'mount by the new calls: a new file system', by: SECCOMP, answers: ['EPERM'], control: true},
  {attack: 'fspick', what: 'mount by the new calls: one that is there', by: SECCOMP, answers: ['EPERM'], control: true},
  {attack: 'open-tree', what: 'copy a tree of mounts', by: SECCOMP, answers: ['EPERM'], control: true},
  {attack: 'move-mount', what: 'move a mount', by: SECCOMP, answers: ['EPERM'], control: true},
  {attack: 'mount-setattr', what: 'change the attributes of a mount', by: SECCOMP, answers: ['EPERM']}
]

const PROCESSES: readonly Refusal[] = [
  {attack: 'ptrace-own', what: 'be traced', by: SECCOMP, answers: ['EPERM'], control: true},
  {attack: 'ptrace-init', what: 'trace the first process', by: SECCOMP, answers: ['EPERM']},
  {attack: 'read-other-memory', what: 'read the memory of another process', by: SECCOMP, answers: ['EPERM'], control: true},
  {attack: 'write-other-memory', what: 'write the memory of another process', by: SECCOMP, answers: ['EPERM'], control: true},
  {attack: 'advise-other-memory', what: 'page out the memory of another process', by: SECCOMP, answers: ['EPERM']},
  {attack: 'take-descriptor', what: 'take an open file of another process', by: SECCOMP, answers: ['EPERM']},
  {attack: 'compare-kernel-pointers', what: 'compare kernel pointers', by: SECCOMP, answers: ['EPERM']},
  {attack: 'move-pages', what: 'move pages between memory nodes', by: SECCOMP, answers: ['EPERM']},
  {attack: 'migrate-pages', what: 'move all pages between memory nodes', by: SECCOMP, answers: ['EPERM']},
  {attack: 'signal-host', what: 'signal a process of the host', by: NAMESPACES, answers: ['ESRCH']},
  {attack: 'see-other-processes', what: 'see processes of other users', by: NAMESPACES, answers: ['ESRCH']},
  {attack: 'use-leaked-directory', what: 'leave by a directory that the runtime left open', by: 'nothing left open', answers: ['EBADF']},
  {attack: 'real-time', what: 'run before everything else on the machine', by: CAPABILITIES, answers: ['EPERM'], control: true},
  {attack: 'be-nicer-to-itself', what: 'raise its priority', by: CAPABILITIES, answers: ['EACCES'], control: true},
  {attack: 'real-time-disk', what: 'have the disk first', by: CAPABILITIES, answers: ['EPERM']},
  {attack: 'escape-oom', what: 'be spared when memory runs out', by: CAPABILITIES, answers: ['EACCES']},
  {attack: 'personality', what: 'turn off the shuffling of addresses', by: SECCOMP, answers: ['ENOSYS'], control: true}
]

const PRIVILEGES: readonly Refusal[] = [
  {attack: 'become-root', what: 'become root', by: CAPABILITIES, answers: ['EPERM']},
  {attack: 'become-roots-group', what: 'join the group of root', by: CAPABILITIES, answers: ['EPERM'], control: true},
  {attack: 'become-root-in-files', what: 'be root under its own real name', by: CAPABILITIES, answers: ['EPERM']},
  {attack: 'join-groups', what: 'join any group', by: CAPABILITIES, answers: ['EPERM'], control: true},
  {attack: 'take-capability', what: 'give itself a capability', by: CAPABILITIES, answers: ['EPERM'], control: true},
  {attack: 'ambient-capability', what: 'pass a capability on', by: CAPABILITIES, answers: ['EPERM']},
  {attack: 'secure-bits', what: 'change how capabilities work', by: CAPABILITIES, answers: ['EPERM'], control: true},
  {attack: 'bounding-set', what: 'change the bounding set', by: CAPABILITIES, answers: ['EPERM']},
  {attack: 'allow-new-privileges', what: 'allow programs to be more than itself', by: 'no-new-privileges', answers: ['EINVAL']},
  {attack: 'set-user-executable', what: 'make a program that runs as root', by: CAPABILITIES, answers: ['EPERM']},
  {attack: 'credentials-of-root', what: 'say over a socket that it is root', by: CAPABILITIES, answers: ['EPERM']},
  {attack: 'map-ids', what: 'map its user to root', by: CAPABILITIES, answers: ['EPERM']},
  {attack: 'raise-open-files', what: 'open more files than the hard limit', by: CAPABILITIES, answers: ['EPERM']},
  {attack: 'core-dumps', what: 'have the host collect a dump of each crash', by: SECCOMP, answers: ['ENOSYS'], control: true},
  {attack: 'core-dumps-old-call', what: 'do the same by the old call', by: SECCOMP, answers: ['ENOSYS'], control: true}
]

const KERNEL: readonly Refusal[] = [
  {attack: 'keyring', what: 'join a keyring', by: SECCOMP, answers: ['EPERM'], control: true},
  {attack: 'add-key', what: 'keep a key in the kernel', by: SECCOMP, answers: ['EPERM'], control: true},
  {attack: 'request-key', what: 'have the host fetch a key', by: SECCOMP, answers: ['EPERM'], control: true},
  {attack: 'bpf', what: 'load a program into the kernel', by: SECCOMP, answers: ['EPERM'], control: true},
  {attack: 'perf-events', what: 'measure the machine', by: SECCOMP, answers: ['EPERM'], control: true},
  {attack: 'io-uring', what: 'use io_uring, which goes around the profile', by: SECCOMP, answers: ['EPERM'], control: true},
  {attack: 'io-uring-register', what: 'use an io_uring', by: SECCOMP, answers: ['EPERM']},
  {attack: 'userfaultfd', what: 'handle its own page faults', by: SECCOMP, answers: ['EPERM'], control: true},
  {
    attack: 'old-async-io',
    what: 'use asynchronous I/O, which is counted for the whole machine',
    by: SECCOMP,
    answers: ['ENOSYS'],
    control: true
  },
  {
    attack: 'watch-files',
    what: 'take watchers of files, of which the whole machine has few',
    by: SECCOMP,
    answers: ['ENOSYS'],
    control: true
  },
  {attack: 'watch-file-system', what: 'watch a whole file system', by: SECCOMP, answers: ['EPERM'], control: true},
  {attack: 'handle-of-file', what: 'name a file by its handle', by: SECCOMP, answers: ['EPERM']},
  {attack: 'open-by-handle', what: 'open a file by its handle, past every folder', by: SECCOMP, answers: ['EPERM']},
  {attack: 'kexec', what: 'start another kernel', by: SECCOMP, answers: ['EPERM']},
  {attack: 'kexec-file', what: 'start another kernel from a file', by: SECCOMP, answers: ['EPERM']},
  {attack: 'load-module', what: 'load a kernel module', by: SECCOMP, answers: ['EPERM']},
  {attack: 'load-module-file', what: 'load a kernel module from a file', by: SECCOMP, answers: ['EPERM']},
  {attack: 'unload-module', what: 'unload a kernel module', by: SECCOMP, answers: ['EPERM']},
  {attack: 'reboot', what: 'restart the machine', by: SECCOMP, answers: ['EPERM']},
  {attack: 'swap-on', what: 'add swap', by: SECCOMP, answers: ['EPERM']},
  {attack: 'swap-off', what: 'take swap away', by: SECCOMP, answers: ['EPERM']},
  {attack: 'quota', what: 'change quotas', by: SECCOMP, answers: ['EPERM']},
  {attack: 'quota-by-descriptor', what: 'change quotas by a descriptor', by: SECCOMP, answers: ['EPERM']},
  {attack: 'accounting', what: 'turn on process accounting', by: SECCOMP, answers: ['EPERM']},
  {attack: 'set-time-of-day', what: 'set the time of day', by: SECCOMP, answers: ['EPERM'], control: true},
  {attack: 'set-clock', what: 'set the clock', by: SECCOMP, answers: ['EPERM']},
  {attack: 'adjust-clock', what: 'adjust the clock', by: SECCOMP, answers: ['EPERM']},
  {attack: 'adjust-any-clock', what: 'adjust any clock', by: SECCOMP, answers: ['EPERM']},
  {attack: 'host-name', what: 'change the host name', by: SECCOMP, answers: ['EPERM'], control: true},
  {attack: 'domain-name', what: 'change the domain name', by: SECCOMP, answers: ['EPERM'], control: true},
  {attack: 'kernel-log', what: 'read the log of the kernel', by: SECCOMP, answers: ['EPERM'], control: true},
  {attack: 'hang-up', what: 'hang up the terminal', by: SECCOMP, answers: ['EPERM']}
]

const FILES: readonly Refusal[] = [
  {attack: 'make-memory-device', what: 'make a device for the memory', by: CAPABILITIES, answers: ['EPERM']},
  {attack: 'make-null-device', what: 'make any device', by: CAPABILITIES, answers: ['EPERM'], control: true},
  {attack: 'make-disk', what: 'make a device for the disk', by: CAPABILITIES, answers: ['EPERM']},
  {attack: 'open-memory', what: 'open the memory', by: DEVICES, answers: HIDDEN},
  {attack: 'open-kernel-messages', what: 'open the messages of the kernel', by: DEVICES, answers: HIDDEN},
  {attack: 'open-kvm', what: 'make virtual machines', by: DEVICES, answers: HIDDEN},
  {attack: 'open-fuse', what: 'make file systems', by: DEVICES, answers: HIDDEN},
  {attack: 'open-tunnel', what: 'make network interfaces', by: DEVICES, answers: HIDDEN},
  {attack: 'open-disk', what: 'open the disk', by: DEVICES, answers: HIDDEN},
  {attack: 'open-loop', what: 'make loop devices', by: DEVICES, answers: HIDDEN},
  {attack: 'sysrq', what: 'press the magic keys', by: MASKS, answers: HIDDEN},
  {attack: 'core-pattern', what: 'say which program of the host gets dumps', by: MASKS, answers: HIDDEN},
  {attack: 'modprobe-path', what: 'say which program of the host loads modules', by: MASKS, answers: HIDDEN},
  {attack: 'drop-caches', what: 'drop the caches of the machine', by: MASKS, answers: HIDDEN},
  {attack: 'forward-packets', what: 'forward packets', by: MASKS, answers: HIDDEN},
  {attack: 'read-kernel-memory', what: 'read the memory of the kernel', by: MASKS, answers: HIDDEN},
  {attack: 'read-kernel-log', what: 'read the log of the kernel from /proc', by: MASKS, answers: HIDDEN},
  {attack: 'read-keys', what: 'list keys', by: MASKS, answers: HIDDEN},
  {attack: 'read-timers', what: 'list timers', by: MASKS, answers: HIDDEN},
  {attack: 'read-firmware', what: 'read the firmware', by: MASKS, answers: HIDDEN},
  {attack: 'write-binfmt', what: 'say which program runs a kind of file', by: MASKS, answers: HIDDEN},
  {attack: 'write-irq', what: 'move interrupts', by: MASKS, answers: HIDDEN},
  {attack: 'write-sys', what: 'change settings in /sys', by: MASKS, answers: HIDDEN},
  {attack: 'write-uevent', what: 'say which program of the host hears of devices', by: MASKS, answers: HIDDEN},
  {attack: 'make-cgroup', what: 'make a control group', by: MASKS, answers: HIDDEN},
  {attack: 'release-agent', what: 'say which program of the host ends a control group', by: MASKS, answers: HIDDEN},
  {attack: 'lift-memory-limit', what: 'lift its memory limit (version 1)', by: MASKS, answers: HIDDEN},
  {attack: 'lift-memory-limit-v2', what: 'lift its memory limit (version 2)', by: MASKS, answers: HIDDEN},
  {attack: 'lift-pids-limit', what: 'lift its limit of processes', by: MASKS, answers: HIDDEN},
  {attack: 'overwrite-init', what: 'overwrite the init that all containers share', by: READ_ONLY, answers: HIDDEN},
  {attack: 'overwrite-init-running', what: 'overwrite the init through its process', by: READ_ONLY, answers: HIDDEN},
  {attack: 'chmod-init', what: 'change the rights of the init', by: READ_ONLY, answers: HIDDEN},
  {attack: 'remove-init', what: 'remove the init', by: READ_ONLY, answers: HIDDEN},
  {attack: 'write-root', what: 'write to the root', by: READ_ONLY, answers: HIDDEN},
  {attack: 'write-own-code', what: 'change its own code', by: READ_ONLY, answers: HIDDEN},
  {attack: 'read-host-file', what: 'read a file of the host by its path', by: NAMESPACES, answers: HIDDEN},
  {attack: 'read-host-file-through-init', what: 'do the same through the first process', by: NAMESPACES, answers: HIDDEN}
]

const NETWORK: readonly Refusal[] = [
  {attack: 'socket-raw', what: 'send any packet (IPv4)', by: SECCOMP, answers: ['ENOSYS'], control: true},
  {attack: 'socket-raw-6', what: 'send any packet (IPv6)', by: SECCOMP, answers: ['EPROTONOSUPPORT'], control: true},
  {attack: 'socket-ping', what: 'ping', by: SECCOMP, answers: ['ENOSYS']},
  {attack: 'socket-packet', what: 'listen to a line', by: SECCOMP, answers: ['EAFNOSUPPORT'], control: true},
  {attack: 'socket-netlink', what: 'talk to the kernel about networks', by: SECCOMP, answers: ['EAFNOSUPPORT'], control: true},
  {attack: 'socket-netfilter', what: 'talk to the packet filter', by: SECCOMP, answers: ['EAFNOSUPPORT'], control: true},
  {attack: 'socket-vsock', what: 'talk to the hypervisor', by: SECCOMP, answers: ['EAFNOSUPPORT']},
  {attack: 'socket-alg', what: 'use the kernel’s cryptography', by: SECCOMP, answers: ['EAFNOSUPPORT']},
  {attack: 'socket-can', what: 'talk to a vehicle', by: SECCOMP, answers: ['EAFNOSUPPORT']},
  {attack: 'socket-bluetooth', what: 'talk to Bluetooth', by: SECCOMP, answers: ['EAFNOSUPPORT']},
  {attack: 'socket-xdp', what: 'take packets past the kernel', by: SECCOMP, answers: ['EAFNOSUPPORT']},
  {attack: 'socket-sctp', what: 'use SCTP', by: SECCOMP, answers: ['EPROTONOSUPPORT']},
  {attack: 'socket-mptcp', what: 'use multipath TCP', by: SECCOMP, answers: ['EPROTONOSUPPORT']},
  {attack: 'host-loopback', what: 'reach a service of the host on 127.0.0.1', by: NO_NETWORK, answers: ['ECONNREFUSED']},
  {attack: 'host-loopback-6', what: 'reach a service of the host on ::1', by: NO_NETWORK, answers: UNREACHABLE},
  {attack: 'host-abstract-socket', what: 'reach a service of the host by an abstract socket', by: NO_NETWORK, answers: ['ECONNREFUSED']},
  {attack: 'host-path-socket', what: 'reach a service of the host by a socket file', by: NAMESPACES, answers: ['ENOENT']},
  {attack: 'home-network', what: 'reach the router at home', by: NO_NETWORK, answers: UNREACHABLE},
  {attack: 'private-network', what: 'reach a private network', by: NO_NETWORK, answers: UNREACHABLE},
  {attack: 'private-network-6', what: 'reach a private network (IPv6)', by: NO_NETWORK, answers: UNREACHABLE},
  {attack: 'metadata', what: 'reach the metadata of a cloud', by: NO_NETWORK, answers: UNREACHABLE},
  {attack: 'mail', what: 'send mail', by: NO_NETWORK, answers: UNREACHABLE},
  {attack: 'internet', what: 'reach the internet', by: NO_NETWORK, answers: UNREACHABLE},
  {attack: 'name-server', what: 'ask a name server', by: NO_NETWORK, answers: UNREACHABLE},
  {attack: 'local-name-server', what: 'ask the name server of the host', by: NO_NETWORK, answers: UNREACHABLE},
  {attack: 'multicast', what: 'speak to all at home', by: NO_NETWORK, answers: UNREACHABLE},
  {attack: 'broadcast', what: 'ask for an address', by: NO_NETWORK, answers: UNREACHABLE},
  {attack: 'configure-interface', what: 'change a network interface', by: CAPABILITIES, answers: ['EPERM']}
]

export const REFUSALS: readonly Refusal[] = [...NAMESPACES_AND_MOUNTS, ...PROCESSES, ...PRIVILEGES, ...KERNEL, ...FILES, ...NETWORK]

/** What every function may do: it shows that the probe knows a success when it sees one. */
export const ALLOWED: readonly string[] = [
  'may-fork',
  'may-signal-itself',
  'may-use-sockets',
  'may-write-scratch',
  'may-read-own-status',
  'may-use-own-loopback'
]
