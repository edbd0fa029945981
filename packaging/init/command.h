/* Finding and running the function's command; see command.c. */
#ifndef CREO_COMMAND_H
#define CREO_COMMAND_H

#include <stddef.h>

size_t text_length(const char *text);
/* Replaces this process by the command. Returns only when nothing could be run. */
void command_exec(char **command, char **environment);

#endif
