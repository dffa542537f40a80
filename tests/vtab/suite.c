/*
** suite.c - how a suite is run (suite.h).
*/
#include "tests/vtab/suite.h"

#include <stdlib.h>

int suite_run(Suite *s) {
  SRunner *r = srunner_create(s);
  srunner_run_all(r, CK_ENV);
  int failed = srunner_ntests_failed(r);
  srunner_free(r);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
