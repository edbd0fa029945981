/*
 * creo-init: the first process in every container of creo.
 *
 *   creo-init --port P --listen SOCKET [--out Q:SOCKET]... [--secrets SOCKET] -- COMMAND [ARGUMENT...]
 *
 * Starts COMMAND in a session of its own, forwards signals to it, reaps every zombie and exits as it exits (128 + signal when
 * killed; when that was for want of memory, SOCKET.oom is left behind). Tries 127.0.0.1:P until something accepts, and only then binds SOCKET, so that the socket's appearance means ready.
 * Each connection to SOCKET is relayed to 127.0.0.1:P. With --out, 127.0.0.1:Q is relayed to that socket, from before the command
 * starts; the socket is looked for at each connection. With --secrets, COMMAND's environment gets what that socket says when it is
 * started: so these values lie in no file of a runtime's.
 */
#include "command.h"
#include "memory.h"
#include "relay.h"
#include "secrets.h"

enum {
  CONNECTIONS_MAX = 1024,
  OUTS_MAX = 4,
  RESERVED_FDS = 32,
  BACKLOG = 4096,
  EVENTS_PER_BATCH = 64,
  PROBE_FIRST_MS = 1,
  PROBE_LAST_MS = 20,
  PROBE_END_MS = 10000,
  PROBE_READ_BYTES = 4096,
  DRAIN_MS = 200,
  STARVED_MS = 100,
  EXIT_USAGE = 125,
  EXIT_CANNOT_RUN = 126,
  EXIT_NOT_FOUND = 127,
};

enum { TAG_SIGNALS = 1, TAG_PROBE = 2 };

struct way_out {
  int port;
  struct sockaddr_un target;
  struct listener listener;
};

struct options {
  int port;
  const char *listen;
  const char *secrets;
  char **command;
};

static const int FORWARDED[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

static struct options options;
static struct sockaddr_in application;
static struct sockaddr_in prober;
static struct listener ingress = {.fd = -1};
static struct way_out outs[OUTS_MAX];
static int out_count;
static int epoll = -1;
static int probe_fd = -1;
static int probe_accepted;
static int probe_delay_ms = PROBE_FIRST_MS;
/* When to probe, and once something accepted, when to wait no longer for its end; 0 for never. */
static int64_t probe_at_ms;
static int64_t drain_until_ms;
static int child;
static int child_status = -1;

void *memset(void *to, int byte, size_t count) {
  for (size_t i = 0; i < count; i++) ((volatile char *)to)[i] = (char)byte;
  return to;
}
void *memcpy(void *to, const void *from, size_t count) {
  for (size_t i = 0; i < count; i++) ((volatile char *)to)[i] = ((const char *)from)[i];
  return to;
}

static int same(const char *left, const char *right) {
  while (*left && *left == *right) left++, right++;
  return *left == *right;
}

static void say(const char *first, const char *second, const char *third) {
  const char *parts[] = {"creo-init: ", first, second, third, "\n"};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) sys_write(2, parts[i], text_length(parts[i]));
}

static _Noreturn void die(int status, const char *first, const char *second) {
  say(first, second, "");
  sys_exit(status);
}

static int port_of(const char *text) {
  int value = 0;
  for (size_t i = 0; text[i]; i++) {
    if (text[i] < '0' || text[i] > '9' || i == 5) return 0;
    value = value * 10 + (text[i] - '0');
  }
  return value <= 65535 ? value : 0;
}

/* `path` and then `suffix` as an address; exits when it doesn't fit. */
static struct sockaddr_un unix_address(const char *path, const char *suffix) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t bytes = text_length(path);
  if (bytes + text_length(suffix) >= sizeof address.sun_path) die(EXIT_USAGE, "the socket's path is too long: ", path);
  memcpy(address.sun_path, path, bytes);
  memcpy(address.sun_path + bytes, suffix, text_length(suffix));
  return address;
}

/* "Q:SOCKET" */
static void out_read(char *text) {
  size_t colon = 0;
  while (text[colon] && text[colon] != ':') colon++;
  if (!text[colon] || out_count == OUTS_MAX) die(EXIT_USAGE, "not a way out, or one too many: ", text);
  text[colon] = 0;
  struct way_out *out = &outs[out_count++];
  out->port = port_of(text);
  out->target = unix_address(text + colon + 1, "");
  if (!out->port) die(EXIT_USAGE, "not a port: ", text);
}

static void options_read(char **argv) {
  char **next = argv + 1;
  for (; *next && !same(*next, "--"); next += 2) {
    if (!next[1]) die(EXIT_USAGE, "no value for ", *next);
    if (same(*next, "--port")) options.port = port_of(next[1]);
    else if (same(*next, "--listen")) options.listen = next[1];
    else if (same(*next, "--out")) out_read(next[1]);
    else if (same(*next, "--secrets")) options.secrets = next[1];
    else die(EXIT_USAGE, "unknown option ", *next);
  }
  if (!*next || !next[1]) die(EXIT_USAGE, "no command after --", "");
  if (!options.port || !options.listen) die(EXIT_USAGE, "--port and --listen are needed", "");
  options.command = next + 1;
}

/* 127.0.0.LAST */
static struct sockaddr_in loopback(int last, int port) {
  uint16_t swapped = (uint16_t)((port & 0xff) << 8 | port >> 8);
  return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = swapped, .sin_addr = {.s_addr = __builtin_bswap32(0x7f000000u | (uint32_t)last)}};
}

static void child_start(char **environment, uint64_t handled) {
  child = (int)SYS(clone, SIGCHLD, 0, 0, 0, 0, 0);
  if (child < 0) die(EXIT_CANNOT_RUN, "cannot start a process", "");
  if (child > 0) return;
  SYS(setsid, 0, 0, 0, 0, 0, 0);
  SYS(rt_sigprocmask, SIG_UNBLOCK, &handled, 0, SIGNAL_SET_BYTES, 0, 0);
  command_exec(options.command, environment);
  int missing = SYS(faccessat, AT_FDCWD, options.command[0], 0, 0, 0, 0) < 0;
  say("cannot run ", options.command[0], missing ? ": not found" : ": not a program of this architecture, or not executable");
  sys_exit(missing ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN);
}

/* What the kernel gave, and the secrets if there are any. */
static char **environment_of(char **given) {
  if (!options.secrets) return given;
  struct sockaddr_un source = unix_address(options.secrets, "");
  char **environment = secrets_added(given, &source);
  if (!environment) die(EXIT_CANNOT_RUN, "the secrets did not come from ", options.secrets);
  return environment;
}

static int signals_open(uint64_t *handled) {
  *handled = 1ull << (SIGCHLD - 1);
  for (size_t i = 0; i < sizeof FORWARDED / sizeof *FORWARDED; i++) *handled |= 1ull << (FORWARDED[i] - 1);
  SYS(rt_sigprocmask, SIG_BLOCK, handled, 0, SIGNAL_SET_BYTES, 0, 0);
  return (int)SYS(signalfd4, -1, handled, SIGNAL_SET_BYTES, O_NONBLOCK | O_CLOEXEC, 0, 0);
}

/* A connection has two sockets, and all listeners may be full at once: half of the descriptors that may be open are for the way in, half for all ways out. */
static int connections_most(int listeners) {
  struct {
    uint64_t soft, hard;
  } limit = {0};
  SYS(prlimit64, 0, RLIMIT_NOFILE, 0, &limit, 0, 0);
  uint64_t share = limit.soft > RESERVED_FDS + 4 ? (limit.soft - RESERVED_FDS) / 4 / (uint64_t)listeners : 1;
  if (share == 0) share = 1;
  return share < CONNECTIONS_MAX ? (int)share : CONNECTIONS_MAX;
}

static void out_open(struct way_out *out) {
  struct sockaddr_in address = loopback(1, out->port);
  struct listener *listener = &out->listener;
  listener->family = AF_UNIX;
  listener->target = &out->target;
  listener->target_bytes = sizeof out->target;
  listener->most = connections_most(out_count);
  listener->fd = sys_socket(AF_INET);
  sys_set_option(listener->fd, SOL_SOCKET, SO_REUSEADDR);
  if (sys_bind(listener->fd, &address, sizeof address) < 0 || sys_listen(listener->fd, BACKLOG) < 0 || relay_listen(listener) < 0) {
    die(EXIT_USAGE, "cannot listen for outgoing connections to ", out->target.sun_path);
  }
}

/* Binds beside, listens, then renames: whoever sees the socket can connect to it. */
static void ingress_open(void) {
  struct sockaddr_un temporary = unix_address(options.listen, "~");
  ingress.fd = sys_socket(AF_UNIX);
  SYS(unlinkat, AT_FDCWD, temporary.sun_path, 0, 0, 0, 0);
  if (sys_bind(ingress.fd, &temporary, sizeof temporary) < 0) die(EXIT_USAGE, "cannot bind ", options.listen);
  SYS(fchmodat, AT_FDCWD, temporary.sun_path, 0666, 0, 0, 0);
  if (sys_listen(ingress.fd, BACKLOG) < 0 || relay_listen(&ingress) < 0) die(EXIT_USAGE, "cannot listen on ", options.listen);
  if (SYS(renameat2, AT_FDCWD, temporary.sun_path, AT_FDCWD, options.listen, 0, 0) < 0) die(EXIT_USAGE, "cannot name ", options.listen);
}

static void probe_later(void) {
  sys_close(probe_fd);
  probe_fd = -1;
  probe_at_ms = sys_now_ms() + probe_delay_ms;
  probe_delay_ms = probe_delay_ms * 3 / 2 + 1;
  if (probe_delay_ms > PROBE_LAST_MS) probe_delay_ms = PROBE_LAST_MS;
}

static void probe_start(void) {
  probe_at_ms = 0;
  probe_fd = sys_socket(AF_INET);
  /*
   * From another address than it goes to: the kernel may choose the very port that nobody listens on, and connect it to itself. And
   * whoever wants to listen there meanwhile must be able to.
   */
  sys_set_option(probe_fd, SOL_SOCKET, SO_REUSEADDR);
  sys_set_option(probe_fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
  sys_bind(probe_fd, &prober, sizeof prober);
  int result = sys_connect(probe_fd, &application, sizeof application);
  if (result < 0 && result != -EINPROGRESS) return probe_later();
  if (sys_epoll_set(epoll, EPOLL_CTL_ADD, probe_fd, EPOLLOUT, TAG_PROBE) < 0) probe_later();
}

static void probe_end(void) {
  sys_close(probe_fd);
  probe_fd = -1;
  probe_at_ms = 0;
}

/*
 * What accepted may speak first. Closing before its words are read would reset its connection, and a function that looks after no
 * errors dies of that: so it is told that nothing comes, and what it says is read away until it ends as well.
 */
static void probe_part(void) {
  sys_shutdown_write(probe_fd);
  probe_at_ms = sys_now_ms() + PROBE_END_MS;
  if (sys_epoll_set(epoll, EPOLL_CTL_MOD, probe_fd, EPOLLIN, TAG_PROBE) < 0) probe_end();
}

static void probe_event(void) {
  static char unwanted[PROBE_READ_BYTES];
  if (probe_accepted) {
    long count = sys_read(probe_fd, unwanted, sizeof unwanted);
    if (count <= 0 && count != -EAGAIN && count != -EINTR) probe_end();
    return;
  }
  if (sys_socket_error(probe_fd) < 0) return probe_later();
  probe_accepted = 1;
  if (child_status < 0) ingress_open();
  probe_part();
}

/* Leaves an empty file beside the socket, for whoever asks later why the command was killed. */
static void oom_report(void) {
  if (!ran_out_of_memory()) return;
  struct sockaddr_un marker = unix_address(options.listen, ".oom");
  sys_close((int)SYS(openat, AT_FDCWD, marker.sun_path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644, 0, 0));
}

/* The command has ended: no new connections, and a moment for what it wrote last to leave. */
static void child_ended(int status) {
  int signal = status & 0x7f;
  child_status = signal ? 128 + signal : (status >> 8) & 0xff;
  if (signal == SIGKILL) oom_report();
  probe_at_ms = 0;
  drain_until_ms = sys_now_ms() + DRAIN_MS;
  if (ingress.fd < 0) return;
  SYS(unlinkat, AT_FDCWD, options.listen, 0, 0, 0, 0);
  sys_close(ingress.fd);
  ingress.fd = -1;
}

static void signals_event(int signals) {
  struct signalfd_siginfo info;
  while (sys_read(signals, &info, sizeof info) == (long)sizeof info) {
    if (info.ssi_signo != SIGCHLD) {
      if (child_status < 0) SYS(kill, child, info.ssi_signo, 0, 0, 0, 0);
      continue;
    }
    int status = 0;
    for (int ended; (ended = (int)SYS(wait4, -1, &status, WNOHANG, 0, 0, 0)) > 0;) {
      if (ended == child) child_ended(status);
    }
  }
}

/* Milliseconds until something must be done without an event; -1 for never. */
static int wait_ms(void) {
  int64_t at = child_status >= 0 ? drain_until_ms : probe_at_ms;
  int starved = ingress.starved;
  for (int i = 0; i < out_count; i++) starved |= outs[i].listener.starved;
  int most = starved ? STARVED_MS : -1;
  if (at == 0) return most;
  int64_t left = at - sys_now_ms();
  if (left < 0) left = 0;
  return most >= 0 && most < left ? most : (int)left;
}

static void starved_rearm(struct listener *listener) {
  if (listener->starved && listener->fd >= 0) relay_rearm(listener);
}

static void starved_rearm_all(void) {
  starved_rearm(&ingress);
  for (int i = 0; i < out_count; i++) starved_rearm(&outs[i].listener);
}

/* The listener whose address an event carries, if it is one's. */
static struct listener *listener_of(uint64_t tag) {
  if (tag == (uint64_t)(uintptr_t)&ingress) return &ingress;
  for (int i = 0; i < out_count; i++) {
    if (tag == (uint64_t)(uintptr_t)&outs[i].listener) return &outs[i].listener;
  }
  return NULL;
}

static void events_handle(const struct epoll_event *events, int count, int signals) {
  for (int i = 0; i < count; i++) {
    uint64_t tag = events[i].data;
    struct listener *listener = listener_of(tag);
    if (tag == TAG_SIGNALS) signals_event(signals);
    else if (tag == TAG_PROBE) probe_event();
    else if (listener) relay_accept(listener);
    else relay_event(tag, events[i].events);
  }
  relay_sweep();
}

/* The kernel enters with argc at the stack pointer; the ABI wants calls on a 16-byte boundary. */
#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n xor %ebp,%ebp\n mov %rsp,%rdi\n and $-16,%rsp\n call creo_start\n hlt\n");
#else
__asm__(".globl _start\n_start:\n mov x29,#0\n mov x30,#0\n mov x0,sp\n and sp,x0,#-16\n bl creo_start\n");
#endif

__attribute__((used)) _Noreturn void creo_start(long *stack) {
  static struct epoll_event events[EVENTS_PER_BATCH];
  char **argv = (char **)(stack + 1);
  uint64_t handled;
  options_read(argv);
  application = loopback(1, options.port);
  prober = loopback(2, 0);
  int signals = signals_open(&handled);
  epoll = sys_epoll_create();
  relay_setup(epoll);
  if (signals < 0 || epoll < 0 || sys_epoll_set(epoll, EPOLL_CTL_ADD, signals, EPOLLIN, TAG_SIGNALS) < 0) die(EXIT_USAGE, "cannot wait for events", "");
  ingress.family = AF_INET;
  ingress.target = &application;
  ingress.target_bytes = sizeof application;
  ingress.most = connections_most(1);
  for (int i = 0; i < out_count; i++) out_open(&outs[i]);
  child_start(environment_of(argv + stack[0] + 1), handled);
  probe_at_ms = sys_now_ms() + PROBE_FIRST_MS;
  for (;;) {
    int count = sys_epoll_wait(epoll, events, EVENTS_PER_BATCH, wait_ms());
    if (count > 0) events_handle(events, count, signals);
    if (count == 0) starved_rearm_all();
    if (child_status >= 0 && (ingress.live == 0 || sys_now_ms() >= drain_until_ms)) sys_exit(child_status);
    if (probe_at_ms == 0 || sys_now_ms() < probe_at_ms) continue;
    if (probe_accepted) probe_end();
    else probe_start();
  }
}
