/* The probe: a function that attacks the machine it runs on. Every attack answers 0 when the machine let it happen, or the errno of the refusal. */
#ifndef ATTACK_H
#define ATTACK_H

#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>

struct attack {
  const char *name;
  int (*run)(void);
};

/* One system call is the whole attack. */
struct call {
  const char *name;
  long number;
  long arguments[6];
};

extern const struct call CALLS[];
extern const struct attack KERNEL_ATTACKS[];
extern const struct attack FILE_ATTACKS[];
extern const struct attack NETWORK_ATTACKS[];
extern const struct attack GREED_ATTACKS[];

/* How much of it a greedy attack got, in memory that outlives the attacker. */
extern volatile long *counted;

/* The number that the test put in the environment. */
long given(const char *name);

static inline int refusal(long returned) { return returned < 0 ? errno : 0; }

#endif
