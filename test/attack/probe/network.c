/* Attacks over the network, and on the one door that the container has. */
#include "attack.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define DOOR "/run/creo/in/http.sock"
#define WAIT_SECONDS 2

static int reaches(const char *address, int port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct timeval wait = {.tv_sec = WAIT_SECONDS};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  inet_pton(AF_INET, address, &to.sin_addr);
  return refusal(connect(fd, (struct sockaddr *)&to, sizeof to));
}

static int sends(const char *address, int port) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
  int yes = 1;
  setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &yes, sizeof yes);
  inet_pton(AF_INET, address, &to.sin_addr);
  return refusal(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof to));
}

static int reaches_6(const char *address, int port) {
  int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons((unsigned short)port)};
  inet_pton(AF_INET6, address, &to.sin6_addr);
  return refusal(connect(fd, (struct sockaddr *)&to, sizeof to));
}

static int host_loopback(void) { return reaches("127.0.0.1", (int)given("HOST_PORT")); }
static int host_loopback_6(void) { return reaches_6("::1", (int)given("HOST_PORT")); }
static int home_network(void) { return reaches("192.168.1.1", 80); }
static int private_network(void) { return reaches("10.0.0.1", 80); }
static int private_network_6(void) { return reaches_6("fd00::1", 80); }
static int metadata(void) { return reaches("169.254.169.254", 80); }
static int mail(void) { return reaches("192.0.2.1", 25); }
static int internet(void) { return reaches("192.0.2.1", 443); }
static int name_server(void) { return sends("192.0.2.53", 53); }
static int local_name_server(void) { return reaches("127.0.0.53", 53); }
static int multicast(void) { return sends("224.0.0.251", 5353); }
static int broadcast(void) { return sends("255.255.255.255", 67); }

/* Abstract sockets belong to a network namespace: the host's own are many a desktop's services. */
static int host_abstract_socket(void) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  const char *name = getenv("HOST_ABSTRACT");
  size_t length = strlen(name);
  memcpy(to.sun_path + 1, name, length);
  return refusal(connect(fd, (struct sockaddr *)&to, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length)));
}

static int host_path_socket(void) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  snprintf(to.sun_path, sizeof to.sun_path, "%s", getenv("HOST_SOCKET"));
  return refusal(connect(fd, (struct sockaddr *)&to, sizeof to));
}

static int configure_interface(void) {
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_PROMISC};
  return refusal(ioctl(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), SIOCSIFFLAGS, &request));
}

/* These happen, for the directory is the function's own; that they lead nowhere is for the host to see. */
static int door_as_link(void) {
  unlink(DOOR);
  return refusal(symlink(getenv("HOST_SOCKET"), DOOR));
}
static int door_as_file(void) {
  unlink(DOOR);
  return refusal(mknod(DOOR, S_IFREG | 0666, 0));
}
static int door_as_pipe(void) {
  unlink(DOOR);
  return refusal(mkfifo(DOOR, 0666));
}
static int door_as_folder(void) {
  unlink(DOOR);
  return refusal(mkdir(DOOR, 0777));
}

static int may_use_own_loopback(void) { return reaches("127.0.0.1", (int)given("PORT")); }

const struct attack NETWORK_ATTACKS[] = {
    {"host-loopback", host_loopback},
    {"host-loopback-6", host_loopback_6},
    {"home-network", home_network},
    {"private-network", private_network},
    {"private-network-6", private_network_6},
    {"metadata", metadata},
    {"mail", mail},
    {"internet", internet},
    {"name-server", name_server},
    {"local-name-server", local_name_server},
    {"multicast", multicast},
    {"broadcast", broadcast},
    {"host-abstract-socket", host_abstract_socket},
    {"host-path-socket", host_path_socket},
    {"configure-interface", configure_interface},
    {"door-as-link", door_as_link},
    {"door-as-file", door_as_file},
    {"door-as-pipe", door_as_pipe},
    {"door-as-folder", door_as_folder},
    {"may-use-own-loopback", may_use_own_loopback},
    {NULL, NULL},
};
