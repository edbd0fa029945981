/* Secrets as environment, from a socket; see secrets.c. */
#ifndef CREO_SECRETS_H
#define CREO_SECRETS_H

#include "sys.h"

/* `environment` with what the socket says added; NULL when it did not say all of it. */
char **secrets_added(char **environment, const struct sockaddr_un *source);

#endif
