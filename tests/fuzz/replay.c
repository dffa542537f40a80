/*
** replay.c - gives a target the files of its corpus, one after the other: the
** main() of tests/fuzz where there is no libFuzzer.
**
**   tests/fuzz/url               tests/fuzz/corpus/url of the sources
**   tests/fuzz/url file…         these files
*/
#include <dirent.h>
#include <errno.h>

#include "tests/fuzz/fuzz.h"

static int replay(const char *path) {
  FILE *f = fopen(path, "rb");
  long length = f && fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
  /* Exactly so many bytes: a sanitizer then sees a read behind them. */
  uint8_t *bytes = length >= 0 ? malloc((size_t)length + !length) : NULL;
  if (!bytes || fseek(f, 0, SEEK_SET) || fread(bytes, 1, (size_t)length, f) != (size_t)length) {
    printf("not ok - %s: %s\n", path, strerror(errno));
    exit(1);
  }
  fclose(f);
  LLVMFuzzerTestOneInput(bytes, (size_t)length);
  free(bytes);
  return 1;
}

static int replay_folder(const char *path) {
  int n = 0;
  char file[4096 + 260];
  DIR *folder = opendir(path);
  for (struct dirent *d = folder ? readdir(folder) : NULL; d; d = readdir(folder)) {
    if (d->d_name[0] == '.') continue;
    snprintf(file, sizeof(file), "%s/%s", path, d->d_name);
    /* If it fails, this is what was tried. */
    printf("# %s\n", d->d_name);
    fflush(stdout);
    n += replay(file);
  }
  if (folder) closedir(folder);
  return n;
}

int main(int argc, char **argv) {
  const char *sources = getenv("TSKDB_SRCDIR"), *slash = strrchr(argv[0], '/');
  const char *name = slash ? slash + 1 : argv[0];
  char path[4096];
  int n = 0;
  if (strncmp(name, "lt-", 3) == 0) name += 3;   /* libtool's */
  LLVMFuzzerInitialize(&argc, &argv);
  for (int i = 1; i < argc; i++) n += replay(argv[i]);
  if (argc < 2) {
    snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s", sources ? sources : ".", name);
    n = replay_folder(path);
  }
  printf("%s - %s: %d inputs\n", n ? "ok" : "not ok", name, n);
  return n ? EXIT_SUCCESS : EXIT_FAILURE;
}
