// opens FILES RATE SECONDS: opens the files 0 … FILES-1 of the working directory in turn, RATE times a second as far as
// that can be had, for SECONDS, and prints how many opens it made and how many failed.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  long files = atol(argv[1]), rate = atol(argv[2]), made = 0, failed = 0;
  double seconds = atof(argv[3]), from = now();
  for (;;) {
    double spent = now() - from;
    if (spent >= seconds) break;
    // In bursts of a hundredth of a second: what should have been made by now is made.
    for (long due = (long)(spent * rate) + 1; made < due; made++) {
      char name[32];
      snprintf(name, sizeof name, "%ld", made % files);
      int fd = open(name, O_RDONLY | O_CLOEXEC);
      if (fd < 0) failed++;
      else close(fd);
    }
    usleep(10000);
  }
  printf("%ld %ld %.3f\n", made, failed, now() - from);
  return 0;
}
