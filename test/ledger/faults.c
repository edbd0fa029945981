#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/*
 * A disk that breaks, for a process that is started with this in LD_PRELOAD. FAULT_FILE is a part of the path of the files that are on it, FAULT_KIND what
 * happens from the FAULT_AFTER-th write or sync of them on: `enospc` or `eio` for writes, `short` for one write of which half gets through and ENOSPC after it,
 * `fsync` for syncs that fail. What happens after the first fault is written to FAULT_LOG, one line a call.
 */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int calls = 0;
static int has_failed = 0;

static int is_on_disk(int fd) {
  const char *part = getenv("FAULT_FILE");
  char link[64], path[4096];
  if (part == NULL) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return strstr(path, part) != NULL;
}

static int is_kind(const char *kind) {
  const char *wanted = getenv("FAULT_KIND");
  return wanted != NULL && strcmp(wanted, kind) == 0;
}

static void note(const char *call) {
  const char *path = getenv("FAULT_LOG");
  int file = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (file < 0) return;
  dprintf(file, "%s\n", call);
  close(file);
}

/* True from the call on that was asked for; the first time that it is, `first` becomes 1. */
static int is_faulty(int *first) {
  const char *after = getenv("FAULT_AFTER");
  pthread_mutex_lock(&lock);
  calls += 1;
  int faulty = calls > (after == NULL ? 0 : atoi(after));
  *first = faulty && !has_failed;
  if (faulty) has_failed = 1;
  pthread_mutex_unlock(&lock);
  return faulty;
}

typedef ssize_t (*pwrite_call)(int, const void *, size_t, off_t);
typedef ssize_t (*write_call)(int, const void *, size_t);
typedef int (*sync_call)(int);

static ssize_t write_at(pwrite_call next, int fd, const void *bytes, size_t size, off_t at) {
  int first = 0;
  if (!is_on_disk(fd) || is_kind("fsync") || !is_faulty(&first)) return next(fd, bytes, size, at);
  note("write");
  if (is_kind("short") && first && size > 1) return next(fd, bytes, size / 2, at);
  errno = is_kind("eio") ? EIO : ENOSPC;
  return -1;
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t at) {
  return write_at((pwrite_call)dlsym(RTLD_NEXT, "pwrite64"), fd, bytes, size, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) {
  return write_at((pwrite_call)dlsym(RTLD_NEXT, "pwrite"), fd, bytes, size, at);
}

ssize_t write(int fd, const void *bytes, size_t size) {
  write_call next = (write_call)dlsym(RTLD_NEXT, "write");
  int first = 0;
  if (!is_on_disk(fd) || is_kind("fsync") || !is_faulty(&first)) return next(fd, bytes, size);
  note("write");
  errno = is_kind("eio") ? EIO : ENOSPC;
  return -1;
}

static int sync_with(const char *name, int fd) {
  sync_call next = (sync_call)dlsym(RTLD_NEXT, name);
  int first = 0;
  if (!is_on_disk(fd)) return next(fd);
  if (!is_kind("fsync")) {
    if (has_failed) note("sync");
    return next(fd);
  }
  if (!is_faulty(&first)) return next(fd);
  note("sync");
  errno = EIO;
  return -1;
}

int fsync(int fd) { return sync_with("fsync", fd); }

int fdatasync(int fd) { return sync_with("fdatasync", fd); }
