/* Attacks on the kernel that take more than one call. */
#include "attack.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECUREBITS_SET = 28, AMBIENT = 47, AMBIENT_RAISE = 2, CAP_SYS_ADMIN_NUMBER = 21, CAPABILITY_VERSION = 0x20080522, FIFO_POLICY = 1 };

static int cloned(long child) {
  if (child == 0) _exit(0);
  if (child > 0) waitpid((pid_t)child, NULL, 0);
  return refusal(child);
}

static int clone_user(void) { return cloned(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)); }
static int clone_network(void) { return cloned(syscall(SYS_clone, CLONE_NEWNET | SIGCHLD, 0, 0, 0, 0)); }

static int clone3_user(void) {
  unsigned long arguments[11] = {CLONE_NEWUSER, [4] = SIGCHLD};
  return cloned(syscall(435, arguments, sizeof arguments));
}

static int join(const char *path, int kind) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  return fd < 0 ? errno : refusal(syscall(SYS_setns, fd, kind));
}
static int join_mounts(void) { return join("/proc/1/ns/mnt", CLONE_NEWNS); }
static int join_network(void) { return join("/proc/1/ns/net", CLONE_NEWNET); }

static int take_capability(void) {
  struct {
    unsigned version;
    int pid;
  } header = {CAPABILITY_VERSION, 0};
  unsigned data[6] = {1u << CAP_SYS_ADMIN_NUMBER, 1u << CAP_SYS_ADMIN_NUMBER};
  return refusal(syscall(SYS_capset, &header, data));
}
static int ambient_capability(void) { return refusal(prctl(AMBIENT, AMBIENT_RAISE, CAP_SYS_ADMIN_NUMBER, 0, 0)); }
static int secure_bits(void) { return refusal(prctl(SECUREBITS_SET, 0, 0, 0, 0)); }
static int allow_new_privileges(void) { return refusal(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0)); }
static int bounding_set(void) { return refusal(prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN_NUMBER, 0, 0, 0)); }

static int real_time(void) {
  struct sched_param parameters = {.sched_priority = 99};
  return refusal(syscall(SYS_sched_setscheduler, 0, FIFO_POLICY, &parameters));
}

static int signal_host(void) { return refusal(kill((pid_t)given("HOST_PID"), 0)); }

static int send_credentials_of_root(void) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0) return 0;
  struct ucred root = {.pid = getpid(), .uid = 0, .gid = 0};
  char room[CMSG_SPACE(sizeof root)] = {0};
  struct iovec bytes = {"x", 1};
  struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
  struct cmsghdr *part = CMSG_FIRSTHDR(&message);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_CREDENTIALS;
  part->cmsg_len = CMSG_LEN(sizeof root);
  memcpy(CMSG_DATA(part), &root, sizeof root);
  return refusal(sendmsg(pair[0], &message, 0));
}

/* Things that every function may do. They show that the probe tells a refusal from a success. */
static int may_fork(void) { return cloned(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)); }
static int may_signal_itself(void) { return refusal(kill(getpid(), 0)); }
static int may_use_sockets(void) {
  int pair[2];
  if (socket(AF_INET, SOCK_STREAM, 0) < 0 || socket(AF_INET6, SOCK_DGRAM, 0) < 0) return errno;
  return refusal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
}

const struct attack KERNEL_ATTACKS[] = {
    {"clone-user", clone_user},
    {"clone-network", clone_network},
    {"clone3-user", clone3_user},
    {"join-mounts", join_mounts},
    {"join-network", join_network},
    {"take-capability", take_capability},
    {"ambient-capability", ambient_capability},
    {"secure-bits", secure_bits},
    {"allow-new-privileges", allow_new_privileges},
    {"bounding-set", bounding_set},
    {"real-time", real_time},
    {"signal-host", signal_host},
    {"credentials-of-root", send_credentials_of_root},
    {"may-fork", may_fork},
    {"may-signal-itself", may_signal_itself},
    {"may-use-sockets", may_use_sockets},
    {NULL, NULL},
};
