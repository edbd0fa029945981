/* A function that fails as $FAIL says: "crash" ends with 3, "segfault" is killed, "memory" takes more than it may, "deaf" never listens. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINES = 60, MEBIBYTE = 1 << 20 };

int main(void) {
  const char *fail = getenv("FAIL");
  for (int line = 1; line <= LINES; line++) printf("boot %d\n", line);
  printf("last words \033[31min red\033[0m of %s\n", fail);
  fflush(stdout);
  if (!strcmp(fail, "crash")) return 3;
  if (!strcmp(fail, "segfault")) raise(SIGSEGV);
  if (!strcmp(fail, "memory")) {
    for (;;) {
      char *taken = malloc(MEBIBYTE);
      if (taken) memset(taken, 1, MEBIBYTE);
    }
  }
  for (;;) pause();
}
