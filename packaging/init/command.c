#include "command.h"
#include "sys.h"

enum { PATH_BYTES = 4096 };

size_t text_length(const char *text) {
  size_t count = 0;
  while (text[count]) count++;
  return count;
}

/* PATH's directories in turn, as a shell would. */
void command_exec(char **command, char **environment) {
  char candidate[PATH_BYTES];
  const char *path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  int has_slash = 0;
  for (size_t i = 0; command[0][i]; i++) has_slash |= command[0][i] == '/';
  if (has_slash) SYS(execve, command[0], command, environment, 0, 0, 0);
  for (char **entry = environment; *entry; entry++) {
    const char *text = *entry;
    if (text[0] == 'P' && text[1] == 'A' && text[2] == 'T' && text[3] == 'H' && text[4] == '=') path = text + 5;
  }
  size_t name_bytes = text_length(command[0]) + 1;
  for (const char *at = path; !has_slash && *at;) {
    size_t bytes = 0;
    while (at[bytes] && at[bytes] != ':') bytes++;
    if (bytes > 0 && bytes + 1 + name_bytes <= sizeof candidate) {
      memcpy(candidate, at, bytes);
      candidate[bytes] = '/';
      memcpy(candidate + bytes + 1, command[0], name_bytes);
      SYS(execve, candidate, command, environment, 0, 0, 0);
    }
    at += at[bytes] ? bytes + 1 : bytes;
  }
}
