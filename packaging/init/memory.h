/* Whether the kernel killed something in this container for want of memory; see memory.c. */
#ifndef CREO_MEMORY_H
#define CREO_MEMORY_H

int ran_out_of_memory(void);

#endif
