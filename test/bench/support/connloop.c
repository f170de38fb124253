// connloop ADDRESS PORT COUNT: prints the nanoseconds of each connect(2) to a TCP listener, one a line.
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000L + t.tv_nsec;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[2]))};
  if (inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) return 2;
  for (long i = 0; i < atol(argv[3]); i++) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    long begin = now();
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) return perror("connect"), 1;
    printf("%ld\n", now() - begin);
    // Reset, so that no port waits in TIME_WAIT.
    struct linger hard = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
  }
  return 0;
}
