/*
 * Each connection is two sockets and two directions. Events are edge-triggered and registered once, so a request costs one
 * epoll_wait, one read and one send each way. Bytes go through one shared scratch buffer; only what the receiver did not take
 * is kept, in a buffer of that direction, and nothing more is read until it is gone: backpressure. A half-close is passed on
 * after the bytes before it.
 */
#include "relay.h"

enum { CHUNK_BYTES = 65536, CHUNKS_PER_TURN = 16, ACCEPTS_PER_TURN = 64, SPARE_BUFFERS = 16 };

struct side {
  struct connection *connection;
  int fd;
  int readable;
  int writable;
  int hung_up; /* The peer closed both ways: nothing can be delivered to it any more. */
};

/* What flows out of sides[i] into sides[1 - i]. */
struct flow {
  char *kept;
  size_t kept_from;
  size_t kept_to;
  int ended;    /* The source said end of stream. */
  int finished; /* …and the receiver was told. */
};

struct connection {
  struct side sides[2];
  struct flow flows[2];
  struct listener *listener;
  struct connection *next;
  int connecting;
  int dead;
};

static int epoll;
static char scratch[CHUNK_BYTES];
static char *spare_buffers[SPARE_BUFFERS];
static int spare_count;
static struct connection *spare_connections;
static struct connection *dead_connections;

void relay_setup(int epoll_fd) { epoll = epoll_fd; }

static char *buffer_take(void) { return spare_count > 0 ? spare_buffers[--spare_count] : sys_map(CHUNK_BYTES); }

static void buffer_give(char *buffer) {
  if (spare_count < SPARE_BUFFERS) spare_buffers[spare_count++] = buffer;
  else sys_unmap(buffer, CHUNK_BYTES);
}

static struct connection *connection_take(void) {
  if (!spare_connections) {
    struct connection *page = sys_map(CHUNK_BYTES);
    if (!page) return NULL;
    for (size_t i = 0; i < CHUNK_BYTES / sizeof *page; i++) {
      page[i].next = spare_connections;
      spare_connections = &page[i];
    }
  }
  struct connection *taken = spare_connections;
  spare_connections = taken->next;
  *taken = (struct connection){0};
  return taken;
}

/* Other events of this batch may still name the connection, so its memory is given back by relay_sweep. */
static void connection_end(struct connection *connection) {
  if (connection->dead) return;
  connection->dead = 1;
  for (int i = 0; i < 2; i++) {
    sys_close(connection->sides[i].fd);
    if (connection->flows[i].kept) buffer_give(connection->flows[i].kept);
  }
  connection->next = dead_connections;
  dead_connections = connection;
}

void relay_sweep(void) {
  while (dead_connections) {
    struct connection *connection = dead_connections;
    struct listener *listener = connection->listener;
    dead_connections = connection->next;
    connection->next = spare_connections;
    spare_connections = connection;
    listener->live--;
    if (listener->paused && listener->fd >= 0) {
      listener->paused = 0;
      relay_accept(listener);
    }
  }
}

/* Sends what the receiver takes now. Returns how many bytes that were, or -1 when the connection is broken. */
static long side_send(struct side *to, const char *bytes, size_t count) {
  size_t sent = 0;
  while (sent < count) {
    long result = sys_send(to->fd, bytes + sent, count - sent);
    if (result == -EINTR) continue;
    if (result == -EAGAIN) {
      to->writable = 0;
      break;
    }
    if (result < 0) return -1;
    sent += (size_t)result;
  }
  return (long)sent;
}

/* Sends fresh bytes on and keeps the rest of them. Returns 0 when the connection is broken. */
static int flow_pass(struct flow *flow, struct side *to, const char *bytes, size_t count) {
  long sent = side_send(to, bytes, count);
  if (sent < 0) return 0;
  if ((size_t)sent == count) return 1;
  if (!(flow->kept = buffer_take())) return 0;
  flow->kept_from = 0;
  flow->kept_to = count - (size_t)sent;
  for (size_t i = 0; i < flow->kept_to; i++) flow->kept[i] = bytes[(size_t)sent + i];
  return 1;
}

/* Sends kept bytes on. Returns 0 when the connection is broken. */
static int flow_flush(struct flow *flow, struct side *to) {
  long sent = side_send(to, flow->kept + flow->kept_from, flow->kept_to - flow->kept_from);
  if (sent < 0) return 0;
  flow->kept_from += (size_t)sent;
  if (flow->kept_from < flow->kept_to) return 1;
  buffer_give(flow->kept);
  flow->kept = NULL;
  return 1;
}

/* Moves what can be moved in one direction. Returns 0 when the connection is broken, 2 when there is more but others wait. */
static int flow_pump(struct flow *flow, struct side *from, struct side *to) {
  for (int turn = 0; turn < CHUNKS_PER_TURN; turn++) {
    if (flow->kept) {
      if (!to->writable) return 1;
      if (!flow_flush(flow, to)) return 0;
      continue;
    }
    if (flow->ended) {
      if (flow->finished) return 1;
      flow->finished = 1;
      sys_shutdown_write(to->fd);
      return 1;
    }
    if (!from->readable || !to->writable) return 1;
    long count = sys_read(from->fd, scratch, CHUNK_BYTES);
    if (count == -EINTR) continue;
    if (count == -EAGAIN) from->readable = 0;
    else if (count < 0) return 0;
    else if (count == 0) flow->ended = 1;
    else if (!flow_pass(flow, to, scratch, (size_t)count)) return 0;
  }
  return 2;
}

static void connection_pump(struct connection *connection) {
  struct side *sides = connection->sides;
  struct flow *flows = connection->flows;
  int more = 0;
  for (int i = 0; i < 2; i++) {
    int outcome = flow_pump(&flows[i], &sides[i], &sides[1 - i]);
    if (outcome == 0) return connection_end(connection);
    if (outcome == 2) more |= 1 << i;
  }
  for (int i = 0; i < 2; i++) {
    if (sides[i].hung_up && flows[i].finished) return connection_end(connection);
  }
  if (flows[0].finished && flows[1].finished) return connection_end(connection);
  for (int i = 0; i < 2; i++) {
    /* Setting the same interest again makes an edge-triggered event come back if it still holds. */
    uint32_t events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    if (more & (1 << i)) sys_epoll_set(epoll, EPOLL_CTL_MOD, sides[i].fd, events, (uint64_t)(uintptr_t)&sides[i]);
  }
}

void relay_event(uint64_t tag, uint32_t events) {
  struct side *side = (struct side *)(uintptr_t)tag;
  struct connection *connection = side->connection;
  if (connection->dead) return;
  if (side == &connection->sides[1] && connection->connecting) {
    if (sys_socket_error(side->fd) < 0) return connection_end(connection);
    if (!(events & EPOLLOUT)) return;
    connection->connecting = 0;
  }
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) side->readable = 1;
  if (events & EPOLLOUT) side->writable = 1;
  if (events & EPOLLHUP) side->hung_up = 1;
  if (!connection->connecting) connection_pump(connection);
}

static void connection_open(struct listener *listener, int accepted) {
  int target = sys_socket(listener->family);
  struct connection *connection = target < 0 ? NULL : connection_take();
  int tcp = listener->family == AF_INET ? target : accepted;
  int result = connection ? sys_connect(target, listener->target, listener->target_bytes) : -ENOMEM;
  if (result < 0 && result != -EINPROGRESS) {
    if (connection) {
      connection->next = spare_connections;
      spare_connections = connection;
    }
    if (target >= 0) sys_close(target);
    sys_close(accepted);
    return;
  }
  sys_set_option(tcp, IPPROTO_TCP, TCP_NODELAY);
  connection->listener = listener;
  connection->connecting = result == -EINPROGRESS;
  listener->live++;
  int fds[2] = {accepted, target};
  for (int i = 0; i < 2; i++) connection->sides[i] = (struct side){.connection = connection, .fd = fds[i]};
  for (int i = 0; i < 2; i++) {
    uint64_t tag = (uint64_t)(uintptr_t)&connection->sides[i];
    if (sys_epoll_set(epoll, EPOLL_CTL_ADD, fds[i], EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, tag) < 0) return connection_end(connection);
  }
}

/* Edge-triggered like the rest: accepts until the queue is empty, the bound is met, or others had to wait long enough. */
void relay_accept(struct listener *listener) {
  for (int turn = 0; turn < ACCEPTS_PER_TURN; turn++) {
    if (listener->live >= listener->most) {
      listener->paused = 1;
      return;
    }
    int accepted = sys_accept(listener->fd);
    if (accepted == -EAGAIN) return;
    if (accepted == -EMFILE || accepted == -ENFILE || accepted == -ENOMEM) {
      /* An end of one of its own connections makes room; where it has none, only time can tell. */
      listener->paused = listener->live > 0;
      listener->starved = !listener->paused;
      return;
    }
    if (accepted >= 0) connection_open(listener, accepted);
  }
  listener->paused = 0;
  relay_rearm(listener);
}

/* Setting the same interest again makes the edge-triggered event come back if connections still wait. */
void relay_rearm(struct listener *listener) {
  listener->starved = 0;
  sys_epoll_set(epoll, EPOLL_CTL_MOD, listener->fd, EPOLLIN | EPOLLET, (uint64_t)(uintptr_t)listener);
}

int relay_listen(struct listener *listener) {
  return sys_epoll_set(epoll, EPOLL_CTL_ADD, listener->fd, EPOLLIN | EPOLLET, (uint64_t)(uintptr_t)listener);
}
