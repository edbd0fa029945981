/* Attacks through files: devices, /proc, /sys, and what the container shares with its host. */
#include "attack.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define FILE_ATTACK(name, expression) \
  static int name(void) { return expression; }

static int reads(const char *path) {
  char byte;
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return errno;
  ssize_t got = read(fd, &byte, 1);
  return got == 0 ? ENODATA : refusal(got);
}

static int writes(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  return fd < 0 ? errno : refusal(write(fd, text, strlen(text)));
}

static int makes_device(mode_t kind, unsigned major, unsigned minor) {
  unlink("/tmp/device");
  if (mknod("/tmp/device", kind | 0600, makedev(major, minor)) < 0) return errno;
  return reads("/tmp/device");
}

FILE_ATTACK(make_memory_device, makes_device(S_IFCHR, 1, 1))
FILE_ATTACK(make_null_device, makes_device(S_IFCHR, 1, 3))
FILE_ATTACK(make_disk, makes_device(S_IFBLK, 8, 0))
FILE_ATTACK(open_memory, reads("/dev/mem"))
FILE_ATTACK(open_kernel_messages, reads("/dev/kmsg"))
FILE_ATTACK(open_kvm, reads("/dev/kvm"))
FILE_ATTACK(open_fuse, reads("/dev/fuse"))
FILE_ATTACK(open_tunnel, reads("/dev/net/tun"))
FILE_ATTACK(open_disk, reads("/dev/sda"))
FILE_ATTACK(open_loop, reads("/dev/loop-control"))
FILE_ATTACK(sysrq, writes("/proc/sysrq-trigger", "h"))
FILE_ATTACK(core_pattern, writes("/proc/sys/kernel/core_pattern", "|/tmp/x"))
FILE_ATTACK(modprobe_path, writes("/proc/sys/kernel/modprobe", "/tmp/x"))
FILE_ATTACK(drop_caches, writes("/proc/sys/vm/drop_caches", "1"))
FILE_ATTACK(forward_packets, writes("/proc/sys/net/ipv4/ip_forward", "1"))
FILE_ATTACK(read_kernel_memory, reads("/proc/kcore"))
FILE_ATTACK(read_kernel_log, reads("/proc/kmsg"))
FILE_ATTACK(read_keys, reads("/proc/keys"))
FILE_ATTACK(read_timers, reads("/proc/timer_list"))
FILE_ATTACK(read_firmware, reads("/sys/firmware/acpi/tables/DSDT"))
FILE_ATTACK(write_binfmt, writes("/proc/sys/fs/binfmt_misc/register", ":x:M::x::/tmp/x:"))
FILE_ATTACK(write_irq, writes("/proc/irq/default_smp_affinity", "1"))
FILE_ATTACK(write_sys, writes("/sys/kernel/mm/transparent_hugepage/enabled", "never"))
FILE_ATTACK(write_uevent, writes("/sys/kernel/uevent_helper", "/tmp/x"))
FILE_ATTACK(make_cgroup, refusal(mkdir("/sys/fs/cgroup/creo-probe", 0700)) ?: refusal(mkdir("/sys/fs/cgroup/memory/creo-probe", 0700)))
FILE_ATTACK(release_agent, writes("/sys/fs/cgroup/memory/release_agent", "/tmp/x"))
FILE_ATTACK(lift_memory_limit, writes("/sys/fs/cgroup/memory/memory.limit_in_bytes", "-1"))
FILE_ATTACK(lift_memory_limit_v2, writes("/sys/fs/cgroup/memory.max", "max"))
FILE_ATTACK(lift_pids_limit, writes("/sys/fs/cgroup/pids/pids.max", "max"))
FILE_ATTACK(map_ids, writes("/proc/self/uid_map", "0 0 1"))
FILE_ATTACK(escape_oom, writes("/proc/self/oom_score_adj", "-1000"))
FILE_ATTACK(overwrite_init, writes("/run/creo/init", "x"))
FILE_ATTACK(overwrite_init_running, writes("/proc/1/exe", "x"))
FILE_ATTACK(chmod_init, refusal(chmod("/run/creo/init", 04777)))
FILE_ATTACK(remove_init, refusal(unlink("/run/creo/init")))
FILE_ATTACK(write_root, refusal(open("/probe-was-here", O_WRONLY | O_CREAT | O_CLOEXEC, 0600)))
FILE_ATTACK(write_own_code, writes("/app/probe", "x"))
FILE_ATTACK(read_host_file, reads(getenv("HOST_FILE")))

static int read_host_file_through_init(void) {
  char path[4096];
  snprintf(path, sizeof path, "/proc/1/root/../../..%s", getenv("HOST_FILE"));
  return reads(path);
}

/* Descriptors that a runtime forgot to close lead out of the container. */
static int use_leaked_directory(void) {
  char path[64];
  struct stat there;
  for (int fd = 3; fd < 1024; fd++) {
    if (fstat(fd, &there) < 0 || !S_ISDIR(there.st_mode)) continue;
    snprintf(path, sizeof path, "/proc/self/fd/%d/..", fd);
    if (open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) >= 0) return 0;
  }
  return EBADF;
}

/* A process that is neither ours nor the container's init is somebody else's. */
static int see_other_processes(void) {
  DIR *directory = opendir("/proc");
  if (directory == NULL) return errno;
  char path[64];
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    struct stat there;
    if (atoi(entry->d_name) == 0) continue;
    snprintf(path, sizeof path, "/proc/%d", atoi(entry->d_name));
    if (stat(path, &there) == 0 && there.st_uid != getuid()) return 0;
  }
  return ESRCH;
}

static int set_user_executable(void) {
  int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  int to = open("/tmp/suid", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
  if (from < 0 || to < 0) return errno;
  return refusal(fchown(to, 0, 0));
}

static int may_write_scratch(void) {
  int fd = open("/tmp/scratch", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  return fd < 0 ? errno : refusal(write(fd, "x", 1));
}
FILE_ATTACK(may_read_own_status, reads("/proc/self/status"))

const struct attack FILE_ATTACKS[] = {
    {"make-memory-device", make_memory_device},
    {"make-null-device", make_null_device},
    {"make-disk", make_disk},
    {"open-memory", open_memory},
    {"open-kernel-messages", open_kernel_messages},
    {"open-kvm", open_kvm},
    {"open-fuse", open_fuse},
    {"open-tunnel", open_tunnel},
    {"open-disk", open_disk},
    {"open-loop", open_loop},
    {"sysrq", sysrq},
    {"core-pattern", core_pattern},
    {"modprobe-path", modprobe_path},
    {"drop-caches", drop_caches},
    {"forward-packets", forward_packets},
    {"read-kernel-memory", read_kernel_memory},
    {"read-kernel-log", read_kernel_log},
    {"read-keys", read_keys},
    {"read-timers", read_timers},
    {"read-firmware", read_firmware},
    {"write-binfmt", write_binfmt},
    {"write-irq", write_irq},
    {"write-sys", write_sys},
    {"write-uevent", write_uevent},
    {"make-cgroup", make_cgroup},
    {"release-agent", release_agent},
    {"lift-memory-limit", lift_memory_limit},
    {"lift-memory-limit-v2", lift_memory_limit_v2},
    {"lift-pids-limit", lift_pids_limit},
    {"map-ids", map_ids},
    {"escape-oom", escape_oom},
    {"overwrite-init", overwrite_init},
    {"overwrite-init-running", overwrite_init_running},
    {"chmod-init", chmod_init},
    {"remove-init", remove_init},
    {"write-root", write_root},
    {"write-own-code", write_own_code},
    {"read-host-file", read_host_file},
    {"read-host-file-through-init", read_host_file_through_init},
    {"use-leaked-directory", use_leaked_directory},
    {"see-other-processes", see_other_processes},
    {"set-user-executable", set_user_executable},
    {"may-write-scratch", may_write_scratch},
    {"may-read-own-status", may_read_own_status},
    {NULL, NULL},
};
