/* Attempts to take what others need. Each goes on until it is stopped, and counts how far it came. */
#include "attack.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MIB = 1 << 20, FORKS_MAX = 4096, DESCRIPTORS_MAX = 2000000, FILES_MAX = 400000, FILL_MIB_MAX = 1024, FLOOD_MIB = 12, SPINNERS = 8 };
/* Some work that a compiler cannot leave out; a counter tells how often it was done. */
enum { SPIN_STEPS = 1 << 16 };

static char block[MIB];

static int fork_bomb(void) {
  int held[2];
  if (pipe(held) < 0) return errno;
  int refused = 0;
  for (*counted = 0; *counted < FORKS_MAX; ++*counted) {
    pid_t child = fork();
    if (child < 0) {
      refused = errno;
      break;
    }
    if (child == 0) {
      close(held[1]);
      char byte;
      while (read(held[0], &byte, 1) > 0) continue;
      _exit(0);
    }
  }
  close(held[1]);
  while (wait(NULL) > 0) continue;
  return refused;
}

static int memory_hog(void) {
  for (*counted = 0; *counted < FILL_MIB_MAX; ++*counted) {
    char *more = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (more == MAP_FAILED) return errno;
    memset(more, 1, MIB);
  }
  return 0;
}

/* Fills one file; the count is whole MiB. */
static int fill(const char *path) {
  int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return errno;
  int refused = 0;
  for (*counted = 0; *counted < FILL_MIB_MAX && refused == 0;) {
    ssize_t written = write(fd, block, sizeof block);
    if (written < 0) refused = errno;
    else if (written == (ssize_t)sizeof block) ++*counted;
  }
  unlink(path);
  return refused;
}
static int disk_fill(void) { return fill("/tmp/fill"); }
static int shared_memory_fill(void) { return fill("/dev/shm/fill"); }
static int door_fill(void) { return fill("/run/creo/in/fill"); }

static int many_files(const char *folder) {
  char path[64];
  int refused = 0;
  for (*counted = 0; *counted < FILES_MAX; ++*counted) {
    snprintf(path, sizeof path, "%s/%ld", folder, *counted);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
      refused = errno;
      break;
    }
    close(fd);
  }
  for (long left = *counted; left-- > 0;) {
    snprintf(path, sizeof path, "%s/%ld", folder, left);
    unlink(path);
  }
  return refused;
}
static int inode_fill(void) { return many_files("/tmp"); }
static int shared_memory_inodes(void) { return many_files("/dev/shm"); }
static int door_inodes(void) { return many_files("/run/creo/in"); }

static int descriptors(void) {
  for (*counted = 0; *counted < DESCRIPTORS_MAX; ++*counted)
    if (dup(0) < 0) return errno;
  return 0;
}

static int log_flood(void) {
  memset(block, 'x', sizeof block);
  for (size_t at = 99; at < sizeof block; at += 100) block[at] = '\n';
  for (*counted = 0; *counted < FLOOD_MIB; ++*counted)
    for (size_t sent = 0; sent < sizeof block;) {
      ssize_t more = write(1, block + sent, sizeof block - sent);
      if (more < 0) return errno;
      sent += (size_t)more;
    }
  return 0;
}

/* A function that crashes again and again must not make the host's root collect its remains. */
static int crash(void) { abort(); }

static void spin(void) {
  volatile unsigned long state = 1;
  for (;;) {
    for (int step = 0; step < SPIN_STEPS; step++) state = state * 6364136223846793005ul + 1442695040888963407ul;
    __sync_fetch_and_add(counted, 1);
  }
}

/* Spins on in the background; what it has done is asked for by "work". */
static int cpu_hog(void) {
  *counted = 0;
  for (int started = 0; started < SPINNERS; started++)
    if (fork() == 0) spin();
  return 0;
}
static int cpu_worker(void) {
  *counted = 0;
  if (fork() == 0) spin();
  return 0;
}
static int work(void) { return 0; }

const struct attack GREED_ATTACKS[] = {
    {"fork-bomb", fork_bomb},
    {"memory-hog", memory_hog},
    {"disk-fill", disk_fill},
    {"shared-memory-fill", shared_memory_fill},
    {"door-fill", door_fill},
    {"inode-fill", inode_fill},
    {"shared-memory-inodes", shared_memory_inodes},
    {"door-inodes", door_inodes},
    {"descriptors", descriptors},
    {"log-flood", log_flood},
    {"crash", crash},
    {"cpu-hog", cpu_hog},
    {"cpu-worker", cpu_worker},
    {"work", work},
    {NULL, NULL},
};
