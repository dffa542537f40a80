/*
** period.c - years, months and days as ranges of dates.
*/
#include "vtab/period.h"

#include <stdio.h>
#include <string.h>

static bool is_day(const char *text) {
  return value_parse_time(text, strlen(text)) == VALUE_TIME_DATE;
}

static void put(period_text out, int year, int month, int day) {
  char text[48];
  if (month < 1 || month > 12) {
    year += month < 1 ? -1 : 1;
    month = month < 1 ? 12 : 1;
  }
  snprintf(text, sizeof(text), "%04d-%02d-%02d", year, month, day);
  snprintf(out, sizeof(period_text), "%s", is_day(text) ? text : "");
}

/* A day that its month has not is at most the third of the next one; both move days behind the
** 28th alone. */
static void put_earliest(period_text out, const period_text day) {
  int y, m, d;
  if (sscanf(day, "%4d-%2d-%2d", &y, &m, &d) != 3) out[0] = 0;
  else put(out, y, d > 3 ? m : m - 1, d > 3 && d < 28 ? d : 28);
}

bool period_parse(const value *v, int length, period *out) {
  static const char start[] = "0001-01-01";
  int y, m, d;
  if (v->storage != STORAGE_TEXT || v->length != (size_t)length) return false;
  memcpy(out->first, start, sizeof(start));
  memcpy(out->first, v->bytes, v->length);
  if (!is_day(out->first) || sscanf(out->first, "%4d-%2d-%2d", &y, &m, &d) != 3) return false;
  if (length == PERIOD_YEAR) {
    put(out->next, y + 1, 1, 1);
  } else {
    if (length == PERIOD_DAY) put(out->next, y, m, d + 1);
    if (length == PERIOD_MONTH || !out->next[0]) put(out->next, y, m + 1, 1);
  }
  put_earliest(out->earliest, out->first);
  put_earliest(out->earliest_next, out->next);
  return true;
}
