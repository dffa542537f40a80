/*
** suite.h - a suite with Check: how it is run.
*/
#ifndef TESTS_SUITE_H
#define TESTS_SUITE_H

#include <check.h>

/* Runs all of S, which it frees: the program's exit status. */
int suite_run(Suite *s);

#endif
