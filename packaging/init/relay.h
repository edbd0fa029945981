/* Byte relays between pairs of sockets, driven by one epoll instance; see relay.c. */
#ifndef CREO_RELAY_H
#define CREO_RELAY_H

#include "sys.h"

/* Where a listener's connections go: the application's TCP port, or a socket of the host's. */
struct listener {
  int fd;
  int live;
  int most;
  int paused;
  int starved; /* No descriptor or memory for the next connection: call relay_rearm in a while. */
  int family;
  const void *target;
  size_t target_bytes;
};

void relay_setup(int epoll_fd);
/* Starts to accept; events carry the listener's address as their tag. Connections above `most` wait in the kernel's backlog. */
int relay_listen(struct listener *listener);
void relay_accept(struct listener *listener);
void relay_rearm(struct listener *listener);
/* Handles an event whose tag is an address of a connection's side. */
void relay_event(uint64_t tag, uint32_t events);
/* Frees connections that ended during this batch of events; call once after each batch. */
void relay_sweep(void);

#endif
