/*
 * The function of the benches: a static binary that answers HTTP/1.1 from memory, one thread, epoll. 100 bytes, or 64 KiB at /large.
 * It reads a request's whole body before it answers, as functions do: a proxy that met an answer ahead of its body would have to give
 * the connection up. Bodies come with Content-Length; anything else is answered 411, which makes a measurement void.
 *
 * Arguments are where it listens: unix:PATH, or a port on 127.0.0.1, 0 for any. Without one it is $PORT. It prints the ports and a
 * line end once it listens.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define EVENTS_MAX 256
#define LISTEN_BACKLOG 1024
#define FDS_MAX 4096
#define HEAD_BYTES_MAX 16384
#define SMALL_BYTES 100
#define LARGE_BYTES 65536

struct answer {
  char bytes[LARGE_BYTES + 256];
  size_t length;
};

struct connection {
  int listens;
  size_t used;
  size_t body_left;
  const struct answer *next;
  const struct answer *sending;
  size_t sent;
  char head[HEAD_BYTES_MAX];
};

static struct answer small, large, refusal;
static struct connection *connections[FDS_MAX];
static int poll_fd;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void make_answer(struct answer *answer, const char *status, size_t body_bytes) {
  int head = snprintf(answer->bytes, 256, "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n", status, body_bytes);
  memset(answer->bytes + head, 'x', body_bytes);
  answer->length = (size_t)head + body_bytes;
}

static void watch(int fd, int operation, unsigned events) {
  struct epoll_event event = {.events = events, .data.fd = fd};
  if (epoll_ctl(poll_fd, operation, fd, &event) < 0) fail("epoll_ctl");
}

static void add(int fd, int listens) {
  if (fd >= FDS_MAX) {
    close(fd);
    return;
  }
  struct connection *connection = calloc(1, sizeof *connection);
  if (connection == NULL) fail("calloc");
  connection->listens = listens;
  connections[fd] = connection;
  watch(fd, EPOLL_CTL_ADD, EPOLLIN);
}

static void drop(int fd) {
  free(connections[fd]);
  connections[fd] = NULL;
  close(fd);
}

static void listen_on(const char *address) {
  struct sockaddr_un local = {.sun_family = AF_UNIX};
  struct sockaddr_in port = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int is_unix = strncmp(address, "unix:", 5) == 0, on = 1;
  socklen_t length = sizeof port;
  int fd = socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  if (is_unix) {
    snprintf(local.sun_path, sizeof local.sun_path, "%s", address + 5);
    if (bind(fd, (struct sockaddr *)&local, sizeof local) < 0) fail(address);
  } else {
    port.sin_port = htons((unsigned short)atoi(address));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&port, sizeof port) < 0) fail(address);
    if (getsockname(fd, (struct sockaddr *)&port, &length) < 0) fail("getsockname");
    printf("%d ", ntohs(port.sin_port));
  }
  if (listen(fd, LISTEN_BACKLOG) < 0) fail("listen");
  add(fd, 1);
}

static void accept_all(int listener) {
  int fd, on = 1;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    add(fd, 0);
  }
}

/* Takes one request's head from the buffer, which ends with a zero; 0 when it is not all there yet. */
static int take_head(struct connection *connection) {
  char *end = strstr(connection->head, "\r\n\r\n");
  if (end == NULL) return 0;
  *end = 0;
  const char *length = strcasestr(connection->head, "\r\ncontent-length:");
  connection->body_left = length == NULL ? 0 : strtoul(length + 17, NULL, 10);
  connection->next = strstr(connection->head, " /large ") != NULL ? &large : &small;
  if (strcasestr(connection->head, "\r\ntransfer-encoding:") != NULL) connection->next = &refusal;
  size_t taken = (size_t)(end + 4 - connection->head);
  connection->used -= taken;
  memmove(connection->head, end + 4, connection->used + 1);
  return 1;
}

/* 0 when the connection is to be dropped. */
static int send_rest(int fd, struct connection *connection) {
  while (connection->sending != NULL) {
    const struct answer *answer = connection->sending;
    ssize_t count = send(fd, answer->bytes + connection->sent, answer->length - connection->sent, MSG_NOSIGNAL);
    if (count < 0 && errno == EAGAIN) {
      watch(fd, EPOLL_CTL_MOD, EPOLLOUT);
      return 1;
    }
    if (count < 0) return 0;
    connection->sent += (size_t)count;
    if (connection->sent == answer->length) connection->sending = NULL;
  }
  return 1;
}

/* Answers every request that is whole; stops at an answer that the other side does not take yet. 0 when it is to be dropped. */
static int answer_whole(int fd, struct connection *connection) {
  while (connection->sending == NULL && (connection->next != NULL || take_head(connection))) {
    size_t taken = connection->used < connection->body_left ? connection->used : connection->body_left;
    connection->body_left -= taken;
    connection->used -= taken;
    memmove(connection->head, connection->head + taken, connection->used + 1);
    if (connection->body_left > 0) return 1;
    connection->sending = connection->next;
    connection->next = NULL;
    connection->sent = 0;
    int refuses = connection->sending == &refusal;
    if (!send_rest(fd, connection) || refuses) return 0;
  }
  return 1;
}

static int handle(int fd, struct connection *connection, unsigned events) {
  if (events & EPOLLOUT) {
    watch(fd, EPOLL_CTL_MOD, EPOLLIN);
    return send_rest(fd, connection) && answer_whole(fd, connection);
  }
  size_t room = HEAD_BYTES_MAX - 1 - connection->used;
  if (room == 0) return 0;
  ssize_t count = recv(fd, connection->head + connection->used, room, 0);
  if (count < 0) return errno == EAGAIN;
  if (count == 0) return 0;
  connection->used += (size_t)count;
  connection->head[connection->used] = 0;
  return answer_whole(fd, connection);
}

int main(int count, char **arguments) {
  signal(SIGPIPE, SIG_IGN);
  make_answer(&small, "200 OK", SMALL_BYTES);
  make_answer(&large, "200 OK", LARGE_BYTES);
  make_answer(&refusal, "411 Length Required", 0);
  if ((poll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0) fail("epoll_create1");
  const char *port = getenv("PORT");
  if (count == 1) listen_on(port == NULL ? "8080" : port);
  for (int at = 1; at < count; at += 1) listen_on(arguments[at]);
  printf("\n");
  fflush(stdout);
  for (;;) {
    struct epoll_event events[EVENTS_MAX];
    int ready = epoll_wait(poll_fd, events, EVENTS_MAX, -1);
    if (ready < 0 && errno != EINTR) fail("epoll_wait");
    for (int at = 0; at < ready; at += 1) {
      int fd = events[at].data.fd;
      struct connection *connection = connections[fd];
      if (connection->listens) accept_all(fd);
      else if (!handle(fd, connection, events[at].events)) drop(fd);
    }
  }
}
