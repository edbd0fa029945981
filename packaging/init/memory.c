#include "memory.h"
#include "sys.h"

enum { FILE_BYTES_MAX = 512 };

/* True when the control group's file counts a kill for want of memory: "oom_kill 1" in a list of names and numbers. */
static int counts_oom(const char *path) {
  static char text[FILE_BYTES_MAX];
  static const char name[] = "oom_kill ";
  int fd = (int)SYS(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
  if (fd < 0) return 0;
  long bytes = sys_read(fd, text, sizeof text);
  sys_close(fd);
  for (long at = 0; at + (long)sizeof name <= bytes; at++) {
    size_t matched = 0;
    while (matched < sizeof name - 1 && text[at + (long)matched] == name[matched]) matched++;
    if (matched == sizeof name - 1) return text[at + (long)matched] != '0';
  }
  return 0;
}

/* Both versions of control groups count; which of them the container sees is its host's choice. */
int ran_out_of_memory(void) {
  return counts_oom("/sys/fs/cgroup/memory.events") || counts_oom("/sys/fs/cgroup/memory/memory.oom_control");
}
