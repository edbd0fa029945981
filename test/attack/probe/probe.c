/*
 * The probe. As a function it answers GET /NAME with what came of the attack of that name, and GET /through/HOST:PORT with what the proxy
 * said; `probe NAME...` tries attacks where it stands and prints a line for each. Each runs in a process of its own.
 */
#include "attack.h"
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EGRESS_PORT = 3128, HEAD_BYTES = 4096, BACKLOG = 1024 };

volatile long *counted;

static const struct attack *const GROUPS[] = {KERNEL_ATTACKS, FILE_ATTACKS, NETWORK_ATTACKS, GREED_ATTACKS};

long given(const char *name) {
  const char *value = getenv(name);
  return value == NULL ? 0 : atol(value);
}

/* The errno of the refusal, 0 for a success, -1 for a name that is none. */
static int attempt(const char *name) {
  for (const struct call *call = CALLS; call->name != NULL; call++) {
    const long *with = call->arguments;
    if (strcmp(call->name, name) == 0) return refusal(syscall(call->number, with[0], with[1], with[2], with[3], with[4], with[5]));
  }
  for (size_t group = 0; group < sizeof GROUPS / sizeof *GROUPS; group++)
    for (const struct attack *attack = GROUPS[group]; attack->name != NULL; attack++)
      if (strcmp(attack->name, name) == 0) return attack->run();
  return -1;
}

/* One line of JSON: errno, the signal that ended the attacker, and how far it came. */
static void report(const char *name, char *line, size_t room) {
  int status = 0;
  pid_t child = fork();
  if (child == 0) _exit(attempt(name) & 255);
  if (child < 0 || waitpid(child, &status, 0) < 0) {
    snprintf(line, room, "{\"broken\":%d}\n", errno);
    return;
  }
  int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  snprintf(line, room, "{\"errno\":%d,\"signal\":%d,\"count\":%ld}\n", WIFEXITED(status) ? WEXITSTATUS(status) : 0, signal, *counted);
}

/* The first line of what the proxy answers. */
static void ask_proxy(const char *authority, char *line, size_t room) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in proxy = {.sin_family = AF_INET, .sin_port = htons(EGRESS_PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  char text[HEAD_BYTES];
  int status = 0;
  if (connect(fd, (struct sockaddr *)&proxy, sizeof proxy) == 0) {
    int length = snprintf(text, sizeof text, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", authority, authority);
    if (write(fd, text, (size_t)length) == length) {
      ssize_t got = read(fd, text, sizeof text - 1);
      text[got > 0 ? got : 0] = 0;
      sscanf(text, "HTTP/1.1 %d", &status);
    }
  }
  close(fd);
  snprintf(line, room, "{\"status\":%d}\n", status);
}

static void answer(int client) {
  char head[HEAD_BYTES], line[256], text[512];
  size_t used = 0;
  do {
    ssize_t got = read(client, head + used, sizeof head - 1 - used);
    if (got <= 0) return;
    head[used += (size_t)got] = 0;
  } while (strstr(head, "\r\n\r\n") == NULL && used < sizeof head - 1);
  char *path = strchr(head, '/');
  if (path == NULL) return;
  path[strcspn(path, " ")] = 0;
  if (strncmp(path, "/through/", 9) == 0) ask_proxy(path + 9, line, sizeof line);
  else report(path + 1, line, sizeof line);
  int length = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", strlen(line), line);
  if (write(client, text, (size_t)length) < 0) return;
}

static int serve(void) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((unsigned short)given("PORT")), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(listener, (struct sockaddr *)&here, sizeof here) < 0 || listen(listener, BACKLOG) < 0) return 1;
  for (;;) {
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0) continue;
    answer(client);
    close(client);
  }
}

int main(int count, char **arguments) {
  signal(SIGPIPE, SIG_IGN);
  counted = mmap(NULL, sizeof *counted, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (counted == MAP_FAILED) return 1;
  if (count == 1) return serve();
  for (int at = 1; at < count; at++) {
    char line[256];
    report(arguments[at], line, sizeof line);
    printf("%s", line);
  }
  return 0;
}
