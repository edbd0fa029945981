/* Attacks that are one system call. Arguments are such that a machine which lets them happen is not hurt, where the kernel allows that. */
#include "attack.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define TEXT(string) ((long)(string))
/* Numbers that the C library of a test machine may be too old to know; they are the same on every architecture. */
enum { CALL_MOUNT_SETATTR = 442, CALL_QUOTACTL_FD = 443, CALL_PIDFD_GETFD = 438, CALL_PROCESS_MADVISE = 440 };
enum { PTRACE_ME = 0, PTRACE_ATTACH_TO = 16, KEYCTL_SESSION = 1, CLOCK_TICKS = 0, NO_RANDOM_PLACES = 0x0040000, TREE_CLONE = 1, REBOOT_NOTHING = 1 };
enum { FAMILY_NETLINK = 16, FAMILY_PACKET = 17, FAMILY_CAN = 29, FAMILY_BLUETOOTH = 31, FAMILY_ALG = 38, FAMILY_VSOCK = 40, FAMILY_XDP = 44 };
enum { ICMP = 1, SCTP = 132, MPTCP = 262, RAW_KIND = 3, ALL_LINKS = 0x0300 };
enum { CORE = 4, OPEN_FILES = 7, MANY = 1 << 22 };

static const long NOTHING[2];
static const long CORE_LIMIT[2] = {0, 0};
static const long MANY_FILES[2] = {MANY, MANY};
static char unused[512];

const struct call CALLS[] = {
    {"unshare-user", SYS_unshare, {CLONE_NEWUSER}},
    {"unshare-mounts", SYS_unshare, {CLONE_NEWNS}},
    {"unshare-network", SYS_unshare, {CLONE_NEWNET}},
    {"unshare-pids", SYS_unshare, {CLONE_NEWPID}},
    {"unshare-ipc", SYS_unshare, {CLONE_NEWIPC}},
    {"unshare-names", SYS_unshare, {CLONE_NEWUTS}},
    {"unshare-cgroup", SYS_unshare, {CLONE_NEWCGROUP}},
    {"mount-tmpfs", SYS_mount, {TEXT("tmpfs"), TEXT("/tmp"), TEXT("tmpfs"), 0, 0}},
    {"mount-proc", SYS_mount, {TEXT("proc"), TEXT("/tmp"), TEXT("proc"), 0, 0}},
    {"remount-root", SYS_mount, {0, TEXT("/"), 0, 32 /* MS_REMOUNT */, 0}},
    {"bind-mount", SYS_mount, {TEXT("/"), TEXT("/tmp"), 0, 4096 /* MS_BIND */, 0}},
    {"unmount", SYS_umount2, {TEXT("/proc"), 2 /* MNT_DETACH */}},
    {"pivot-root", SYS_pivot_root, {TEXT("/tmp"), TEXT("/tmp")}},
    {"chroot", SYS_chroot, {TEXT("/")}},
    {"fsopen", SYS_fsopen, {TEXT("tmpfs"), 0}},
    {"fspick", SYS_fspick, {AT_FDCWD, TEXT("/"), 0}},
    {"open-tree", SYS_open_tree, {AT_FDCWD, TEXT("/"), TREE_CLONE}},
    {"move-mount", SYS_move_mount, {AT_FDCWD, TEXT("/tmp"), AT_FDCWD, TEXT("/"), 0}},
    {"mount-setattr", CALL_MOUNT_SETATTR, {AT_FDCWD, TEXT("/"), 0, (long)unused, 32}},
    {"ptrace-own", SYS_ptrace, {PTRACE_ME}},
    {"ptrace-init", SYS_ptrace, {PTRACE_ATTACH_TO, 1}},
    {"read-other-memory", SYS_process_vm_readv, {1, (long)NOTHING, 1, (long)NOTHING, 1, 0}},
    {"write-other-memory", SYS_process_vm_writev, {1, (long)NOTHING, 1, (long)NOTHING, 1, 0}},
    {"advise-other-memory", CALL_PROCESS_MADVISE, {0, (long)NOTHING, 1, 0, 0}},
    {"take-descriptor", CALL_PIDFD_GETFD, {0, 0, 0}},
    {"compare-kernel-pointers", SYS_kcmp, {1, 1, 0, 0, 0}},
    {"move-pages", SYS_move_pages, {0, 0, 0, 0, 0, 0}},
    {"migrate-pages", SYS_migrate_pages, {0, 0, 0, 0}},
    {"keyring", SYS_keyctl, {KEYCTL_SESSION, 0}},
    {"add-key", SYS_add_key, {TEXT("user"), TEXT("creo-probe"), TEXT("x"), 1, -3 /* session keyring */}},
    {"request-key", SYS_request_key, {TEXT("user"), TEXT("creo-probe"), 0, 0}},
    {"bpf", SYS_bpf, {0, (long)unused, 0}},
    {"perf-events", SYS_perf_event_open, {(long)unused, 0, -1, -1, 0}},
    {"io-uring", SYS_io_uring_setup, {1, (long)unused}},
    {"io-uring-register", SYS_io_uring_register, {-1, 0, 0, 0}},
    {"userfaultfd", SYS_userfaultfd, {0}},
    {"old-async-io", SYS_io_setup, {1, (long)unused}},
    {"watch-files", SYS_inotify_init1, {0}},
    {"watch-file-system", SYS_fanotify_init, {0, 0}},
    {"handle-of-file", SYS_name_to_handle_at, {AT_FDCWD, TEXT("/"), (long)unused, (long)unused, 0}},
    {"open-by-handle", SYS_open_by_handle_at, {AT_FDCWD, (long)unused, 0}},
    {"kexec", SYS_kexec_load, {0, 0, 0, -1}},
    {"kexec-file", SYS_kexec_file_load, {-1, -1, 0, 0, 0}},
    {"load-module", SYS_init_module, {(long)unused, 0, TEXT("")}},
    {"load-module-file", SYS_finit_module, {-1, TEXT(""), 0}},
    {"unload-module", SYS_delete_module, {TEXT("creo_probe"), 0}},
    {"reboot", SYS_reboot, {REBOOT_NOTHING, 0, 0, 0}},
    {"swap-on", SYS_swapon, {TEXT("/creo-probe"), 0}},
    {"swap-off", SYS_swapoff, {TEXT("/creo-probe")}},
    {"quota", SYS_quotactl, {0, TEXT("/creo-probe"), 0, 0}},
    {"quota-by-descriptor", CALL_QUOTACTL_FD, {-1, 0, 0, 0}},
    {"accounting", SYS_acct, {TEXT("/creo-probe")}},
    {"set-time-of-day", SYS_settimeofday, {0, 0}},
    {"set-clock", SYS_clock_settime, {CLOCK_TICKS, (long)NOTHING}},
    {"adjust-clock", SYS_adjtimex, {(long)unused}},
    {"adjust-any-clock", SYS_clock_adjtime, {CLOCK_TICKS, (long)unused}},
    {"host-name", SYS_sethostname, {TEXT("creo"), 4}},
    {"domain-name", SYS_setdomainname, {TEXT("creo"), 4}},
    {"kernel-log", SYS_syslog, {3 /* read all */, (long)unused, sizeof unused}},
    {"hang-up", SYS_vhangup, {0}},
    {"personality", SYS_personality, {NO_RANDOM_PLACES}},
    {"core-dumps", SYS_prlimit64, {0, CORE, (long)CORE_LIMIT, 0}},
    {"core-dumps-old-call", SYS_setrlimit, {CORE, (long)CORE_LIMIT}},
    {"raise-open-files", SYS_prlimit64, {0, OPEN_FILES, (long)MANY_FILES, 0}},
    {"become-root", SYS_setuid, {0}},
    {"become-roots-group", SYS_setgid, {0}},
    {"become-root-in-files", SYS_setresuid, {-1, 0, -1}},
    {"join-groups", SYS_setgroups, {1, (long)NOTHING}},
    {"be-nicer-to-itself", SYS_setpriority, {0, 0, -20}},
    {"real-time-disk", SYS_ioprio_set, {1, 0, 1 << 13}},
    {"socket-raw", SYS_socket, {AF_INET, RAW_KIND, ICMP}},
    {"socket-raw-6", SYS_socket, {AF_INET6, RAW_KIND, 58}},
    {"socket-ping", SYS_socket, {AF_INET, SOCK_DGRAM, ICMP}},
    {"socket-packet", SYS_socket, {FAMILY_PACKET, RAW_KIND, ALL_LINKS}},
    {"socket-netlink", SYS_socket, {FAMILY_NETLINK, RAW_KIND, 0}},
    {"socket-netfilter", SYS_socket, {FAMILY_NETLINK, RAW_KIND, 12}},
    {"socket-vsock", SYS_socket, {FAMILY_VSOCK, SOCK_STREAM, 0}},
    {"socket-alg", SYS_socket, {FAMILY_ALG, SOCK_SEQPACKET, 0}},
    {"socket-can", SYS_socket, {FAMILY_CAN, RAW_KIND, 1}},
    {"socket-bluetooth", SYS_socket, {FAMILY_BLUETOOTH, RAW_KIND, 1}},
    {"socket-xdp", SYS_socket, {FAMILY_XDP, RAW_KIND, 0}},
    {"socket-sctp", SYS_socket, {AF_INET, SOCK_STREAM, SCTP}},
    {"socket-mptcp", SYS_socket, {AF_INET, SOCK_STREAM, MPTCP}},
    {NULL, 0, {0}},
};
