/*
** process.h - which process this is.
*/
#ifndef VTAB_PROCESS_H
#define VTAB_PROCESS_H

#include <sys/types.h>

/* getpid(), without asking the kernel each time: a look-up by key wants to know
** it six times.  Any thread. */
pid_t process_id(void);

#endif
