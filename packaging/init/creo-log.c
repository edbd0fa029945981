/*
 * creo-log: keeps what a container writes, on at most BYTES of disk.
 *
 *   creo-log --log FILE --bytes BYTES
 *
 * A log program as containerd starts it: the container's stdout is descriptor 3, its stderr descriptor 4, and closing 5 says that
 * we are ready. Both are appended to FILE as they come, until they end. A FILE of half of BYTES becomes FILE.1, in place of an
 * older one. What a full disk doesn't take is dropped: a function never waits for its log.
 */
#include <linux/poll.h>

#include "sys.h"

enum { OUT = 3, ERR = 4, READY = 5, SOURCES = 2, CHUNK_BYTES = 65536, PATH_BYTES_MAX = 4096, EXIT_USAGE = 125, EXIT_NO_FILE = 1 };

static const char *path;
static char older[PATH_BYTES_MAX];
static int64_t half_bytes;
static int64_t written_bytes;
static int file = -1;
static char chunk[CHUNK_BYTES];

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

static int64_t number_of(const char *text) {
  int64_t value = 0;
  for (size_t i = 0; text[i]; i++) {
    if (text[i] < '0' || text[i] > '9' || i == 15) return 0;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

/* containerd gives the options in any order. */
static void options_read(char **argv) {
  for (char **next = argv + 1; *next; next += 2) {
    if (!next[1]) sys_exit(EXIT_USAGE);
    if (same(*next, "--log")) path = next[1];
    else if (same(*next, "--bytes")) half_bytes = number_of(next[1]) / 2;
    else sys_exit(EXIT_USAGE);
  }
  if (!path || half_bytes <= 0) sys_exit(EXIT_USAGE);
  size_t bytes = 0;
  for (; path[bytes]; bytes++) {
    if (bytes + sizeof ".1" >= sizeof older) sys_exit(EXIT_USAGE);
    older[bytes] = path[bytes];
  }
  memcpy(older + bytes, ".1", sizeof ".1");
}

static void file_open(void) {
  file = (int)SYS(openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600, 0, 0);
  written_bytes = 0;
}

static void append(const char *from, int64_t bytes) {
  while (bytes > 0) {
    if (written_bytes >= half_bytes) {
      sys_close(file);
      SYS(renameat2, AT_FDCWD, path, AT_FDCWD, older, 0, 0);
      file_open();
    }
    int64_t room = half_bytes - written_bytes;
    long taken = sys_write(file, from, (size_t)(bytes < room ? bytes : room));
    if (taken <= 0) return;
    written_bytes += taken;
    from += taken;
    bytes -= taken;
  }
}

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n xor %ebp,%ebp\n mov %rsp,%rdi\n and $-16,%rsp\n call creo_start\n hlt\n");
#else
__asm__(".globl _start\n_start:\n mov x29,#0\n mov x30,#0\n mov x0,sp\n and sp,x0,#-16\n bl creo_start\n");
#endif

__attribute__((used)) _Noreturn void creo_start(long *stack) {
  struct pollfd sources[SOURCES] = {{.fd = OUT, .events = POLLIN}, {.fd = ERR, .events = POLLIN}};
  options_read((char **)(stack + 1));
  file_open();
  if (file < 0) sys_exit(EXIT_NO_FILE);
  sys_close(READY);
  while (sources[0].fd >= 0 || sources[1].fd >= 0) {
    if (SYS(ppoll, sources, SOURCES, 0, 0, SIGNAL_SET_BYTES, 0) < 0) continue;
    for (int i = 0; i < SOURCES; i++) {
      if (sources[i].fd < 0 || !sources[i].revents) continue;
      long bytes = sys_read(sources[i].fd, chunk, sizeof chunk);
      if (bytes > 0) append(chunk, bytes);
      else if (bytes != -EINTR && bytes != -EAGAIN) sources[i].fd = -1;
    }
  }
  sys_exit(0);
}
