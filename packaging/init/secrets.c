#include "secrets.h"

#include "command.h"

/* 32 values of 8 KiB with their names, see core/protocol/secrets.ts. */
enum { BYTES_MAX = 272 * 1024, ENTRIES_MAX = 32, WAIT_SECONDS = 10 };

/* Everything until the other side closes; what came too late or is too long lacks its end. */
static size_t received(const struct sockaddr_un *source, char *into) {
  struct {
    long seconds, micros;
  } patience = {.seconds = WAIT_SECONDS};
  size_t count = 0;
  int fd = (int)SYS(socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, 0, 0, 0);
  SYS(setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience, 0);
  if (sys_connect(fd, source, sizeof *source) == 0) {
    for (long got; count < BYTES_MAX && (got = sys_read(fd, into + count, BYTES_MAX - count)) > 0;) count += (size_t)got;
  }
  sys_close(fd);
  return count;
}

/* Each NAME=value ends with a zero, and all of them with one more. */
char **secrets_added(char **environment, const struct sockaddr_un *source) {
  size_t there = 0, added = 0;
  while (environment[there]) there++;
  size_t array_bytes = (there + ENTRIES_MAX + 1) * sizeof *environment;
  char *memory = sys_map(array_bytes + BYTES_MAX);
  if (!memory) return NULL;
  char **all = (char **)memory;
  char *text = memory + array_bytes;
  size_t count = received(source, text);
  if (count == 0 || text[count - 1] || (count > 1 && text[count - 2])) return NULL;
  memcpy(all, environment, there * sizeof *environment);
  for (char *at = text; *at; at += text_length(at) + 1) {
    if (added == ENTRIES_MAX) return NULL;
    all[there + added++] = at;
  }
  return all;
}
