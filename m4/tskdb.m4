dnl tskdb.m4 - the macros of tskdb's own configure.ac.

dnl TSKDB_DRIVER(NAME, PKG-CONFIG MODULES, CONFIG PROGRAMS, MODULE BESIDE)
dnl --with-NAME=yes|no|auto.  The client library is the first of the modules, else of the
dnl programs, that is found; what it needs BESIDE must be there as well.  auto leaves the
dnl driver out when something is missing, yes makes that an error.  Gives NAME_CFLAGS,
dnl NAME_LIBS, NAME_REQUIRES (for tskdb.pc), the conditional DRIVER_NAME, HAVE_DRIVER_NAME in
dnl config.h, and summary_NAME.
AC_DEFUN([TSKDB_DRIVER], [
  m4_pushdef([UP], m4_toupper([$1]))
  AC_REQUIRE([PKG_PROG_PKG_CONFIG])
  AC_ARG_WITH([$1],
    [AS_HELP_STRING([--with-$1=yes|no|auto], [the $1 driver @<:@auto@:>@])],
    [], [with_$1=auto])
  have_driver_$1=no
  summary_$1="no"
  tskdb_beside="$4"
  AS_IF([test "x$with_$1" != xno], [
    tskdb_module=none
    for tskdb_candidate in $2; do
      AS_IF([$PKG_CONFIG --exists $tskdb_candidate], [tskdb_module=$tskdb_candidate; break])
    done
    PKG_CHECK_MODULES(UP, [$tskdb_module $tskdb_beside],
      [have_driver_$1=yes
       AS_IF([test $tskdb_module != none], [
         UP[]_REQUIRES="$tskdb_module $tskdb_beside"
         summary_$1="yes ($tskdb_module `$PKG_CONFIG --modversion $tskdb_module`)"],
        [summary_$1="yes ($UP[]_LIBS)"])],
      [m4_ifnblank([$3], [
         AC_CHECK_PROGS(UP[]_CONFIG, [$3])
         AS_IF([test -n "$UP[]_CONFIG"], [
           UP[]_CFLAGS=`$UP[]_CONFIG --include`
           UP[]_LIBS=`$UP[]_CONFIG --libs`
           have_driver_$1=yes
           summary_$1="yes ($UP[]_CONFIG)"])], [:])])
    AS_IF([test $have_driver_$1 = no], [
      tskdb_missing="$2"
      AS_IF([test $tskdb_module != none], [tskdb_missing=$tskdb_beside])
      summary_$1="no ($tskdb_missing not found)"])
    AS_IF([test "x$with_$1$have_driver_$1" = xyesno],
      [AC_MSG_ERROR([driver $1 asked for, but its client library ($tskdb_missing) was not found])])
  ])
  AS_IF([test $have_driver_$1 = yes],
    [AC_DEFINE([HAVE_DRIVER_]UP, [1], [The $1 driver is built.])])
  AM_CONDITIONAL([DRIVER_]UP, [test $have_driver_$1 = yes])
  AC_SUBST(UP[]_REQUIRES)
  m4_popdef([UP])
])

dnl TSKDB_SWITCH(NAME, HELP, IF-ON): --enable-NAME, off by default.
AC_DEFUN([TSKDB_SWITCH], [
  AC_ARG_ENABLE([$1], [AS_HELP_STRING([--enable-$1], [$2])])
  AS_IF([test "x$enable_[]m4_translit([$1], [-], [_])" = xyes], [$3])
])

dnl TSKDB_COMPILE_FLAGS(FLAGS): appends to TSKDB_CFLAGS each flag that the compiler takes.
AC_DEFUN([TSKDB_COMPILE_FLAGS], [
  for tskdb_flag in m4_normalize([$1]); do
    AS_VAR_PUSHDEF([known], [tskdb_cv_cflag_$tskdb_flag])
    AC_CACHE_CHECK([whether $CC takes $tskdb_flag], [known], [
      tskdb_save_CFLAGS=$CFLAGS
      CFLAGS="-Werror $tskdb_flag"
      AC_COMPILE_IFELSE([AC_LANG_SOURCE([int main(void) { return 0; }])],
        [AS_VAR_SET([known], [yes])], [AS_VAR_SET([known], [no])])
      CFLAGS=$tskdb_save_CFLAGS])
    AS_VAR_IF([known], [yes], [TSKDB_CFLAGS="$TSKDB_CFLAGS $tskdb_flag"])
    AS_VAR_POPDEF([known])
  done
])

dnl TSKDB_LINK_FLAGS(FLAGS): appends to TSKDB_LDFLAGS each flag that the linker takes.
AC_DEFUN([TSKDB_LINK_FLAGS], [
  for tskdb_flag in m4_normalize([$1]); do
    AS_VAR_PUSHDEF([known], [tskdb_cv_ldflag_$tskdb_flag])
    AC_CACHE_CHECK([whether the linker takes $tskdb_flag], [known], [
      tskdb_save_LDFLAGS=$LDFLAGS
      LDFLAGS="$LDFLAGS $tskdb_flag"
      AC_LINK_IFELSE([AC_LANG_PROGRAM],
        [AS_VAR_SET([known], [yes])], [AS_VAR_SET([known], [no])])
      LDFLAGS=$tskdb_save_LDFLAGS])
    AS_VAR_IF([known], [yes], [TSKDB_LDFLAGS="$TSKDB_LDFLAGS $tskdb_flag"])
    AS_VAR_POPDEF([known])
  done
])

dnl TSKDB_SANITIZER(SWITCH, SANITIZER): --enable-SWITCH builds everything with -fsanitize=SANITIZER.
AC_DEFUN([TSKDB_SANITIZER], [
  TSKDB_SWITCH([$1], [build with -fsanitize=$2 (for tests)], [
    sanitizers="${sanitizers:+$sanitizers }$2"
    TSKDB_CFLAGS="$TSKDB_CFLAGS -fsanitize=$2 -fno-sanitize-recover=$2 -fno-omit-frame-pointer -g"
    TSKDB_LDFLAGS="$TSKDB_LDFLAGS -fsanitize=$2"
    AC_LINK_IFELSE([AC_LANG_PROGRAM], [],
      [AC_MSG_ERROR([$CC cannot link with -fsanitize=$2])])])
])

dnl TSKDB_SANITIZER_RUNTIME: the sanitizer's runtime must be the first library of a process, so a stock
dnl sqlite3 that is to load our module needs it in LD_PRELOAD.  Gives TSKDB_PRELOAD, its path.
AC_DEFUN([TSKDB_SANITIZER_RUNTIME], [
  AS_CASE(["$sanitizers"],
    [*address*], [tskdb_runtime=asan],
    [*thread*], [tskdb_runtime=tsan],
    [*undefined*], [tskdb_runtime=ubsan],
    [tskdb_runtime=none])
  TSKDB_PRELOAD=
  AS_IF([test $tskdb_runtime != none], [
    for tskdb_file in libclang_rt.$tskdb_runtime-`uname -m`.so \
                      libclang_rt.${tskdb_runtime}_standalone-`uname -m`.so lib$tskdb_runtime.so; do
      tskdb_path=`$CC -print-file-name=$tskdb_file`
      AS_IF([test -f "$tskdb_path"], [TSKDB_PRELOAD=$tskdb_path; break])
    done])
  AC_SUBST([TSKDB_PRELOAD])
])
