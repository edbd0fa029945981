/*
 * The few Linux system calls that creo-init needs, without a C library: the same source gives a binary of a few kilobytes
 * on both architectures, and nothing but the compiler decides its bytes. Every call returns a value or -errno.
 */
#ifndef CREO_SYS_H
#define CREO_SYS_H

#include <asm/signal.h>
#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/in.h>
#include <linux/mman.h>
#include <linux/resource.h>
#include <linux/signalfd.h>
#include <linux/time.h>
#include <linux/un.h>
#include <linux/wait.h>
#include <stddef.h>
#include <stdint.h>

#define AF_UNIX 1
#define AF_INET 2
#define SOCK_STREAM 1
#define SOCK_NONBLOCK O_NONBLOCK
#define SOCK_CLOEXEC O_CLOEXEC
#define SOL_SOCKET 1
#define SO_ERROR 4
#define SO_REUSEADDR 2
#define SO_RCVTIMEO 20
#define TCP_NODELAY 1
#define MSG_NOSIGNAL 0x4000
#define SHUT_WR 1
#define SIGNAL_SET_BYTES 8

#if defined(__x86_64__)
static inline long sys6(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
static inline long sys6(long number, long a, long b, long c, long d, long e, long f) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
#else
#error "creo-init is written for x86-64 and aarch64"
#endif

/* The compiler may also call these on its own, for copies of structures. */
void *memcpy(void *to, const void *from, size_t count);
void *memset(void *to, int byte, size_t count);

#define SYS(name, a, b, c, d, e, f) sys6(__NR_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static inline _Noreturn void sys_exit(int status) {
  for (;;) SYS(exit_group, status, 0, 0, 0, 0, 0);
}
static inline int sys_close(int fd) { return (int)SYS(close, fd, 0, 0, 0, 0, 0); }
static inline long sys_read(int fd, void *into, size_t bytes) { return SYS(read, fd, into, bytes, 0, 0, 0); }
static inline long sys_write(int fd, const void *from, size_t bytes) { return SYS(write, fd, from, bytes, 0, 0, 0); }
static inline long sys_send(int fd, const void *from, size_t bytes) { return SYS(sendto, fd, from, bytes, MSG_NOSIGNAL, 0, 0); }
static inline int sys_socket(int family) {
  return (int)SYS(socket, family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, 0, 0, 0);
}
static inline int sys_connect(int fd, const void *address, size_t bytes) { return (int)SYS(connect, fd, address, bytes, 0, 0, 0); }
static inline int sys_bind(int fd, const void *address, size_t bytes) { return (int)SYS(bind, fd, address, bytes, 0, 0, 0); }
static inline int sys_listen(int fd, int backlog) { return (int)SYS(listen, fd, backlog, 0, 0, 0, 0); }
static inline int sys_accept(int fd) { return (int)SYS(accept4, fd, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC, 0, 0); }
static inline int sys_shutdown_write(int fd) { return (int)SYS(shutdown, fd, SHUT_WR, 0, 0, 0, 0); }
static inline int sys_set_option(int fd, int level, int option) {
  int on = 1;
  return (int)SYS(setsockopt, fd, level, option, &on, sizeof on, 0);
}
static inline int sys_socket_error(int fd) {
  int error = 0;
  uint32_t bytes = sizeof error;
  long result = SYS(getsockopt, fd, SOL_SOCKET, SO_ERROR, &error, &bytes, 0);
  return result < 0 ? (int)result : -error;
}
static inline int sys_epoll_create(void) { return (int)SYS(epoll_create1, EPOLL_CLOEXEC, 0, 0, 0, 0, 0); }
static inline int sys_epoll_set(int epoll, int operation, int fd, uint32_t events, uint64_t data) {
  struct epoll_event event = {.events = events, .data = data};
  return (int)SYS(epoll_ctl, epoll, operation, fd, &event, 0, 0);
}
static inline int sys_epoll_wait(int epoll, struct epoll_event *events, int most, int timeout_ms) {
  return (int)SYS(epoll_pwait, epoll, events, most, timeout_ms, 0, SIGNAL_SET_BYTES);
}
static inline int64_t sys_now_ms(void) {
  struct timespec now = {0};
  SYS(clock_gettime, CLOCK_MONOTONIC, &now, 0, 0, 0, 0);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
static inline void *sys_map(size_t bytes) {
  long result = SYS(mmap, 0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return result < 0 && result > -4096 ? NULL : (void *)result;
}
static inline void sys_unmap(void *address, size_t bytes) { SYS(munmap, address, bytes, 0, 0, 0, 0); }

#endif
