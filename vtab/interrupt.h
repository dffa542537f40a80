/*
** interrupt.h - the wait scope of a SQLite connection's own thread.
*/
#ifndef VTAB_INTERRUPT_H
#define VTAB_INTERRUPT_H

#include "vtab/sqlite.h"
#include "vtab/wait.h"

/* A scope that ends when the user interrupts DB (sqlite3_interrupt, Ctrl-C in
** the shell) or after TIMEOUT_MS of silence (0: no bound).  For the thread
** that is inside a callback of DB, while a statement of DB runs. */
wait_scope interrupt_scope(sqlite3 *db, int timeout_ms);

#endif
