// crowd COUNT: stays, as COUNT processes of five kinds by turns: plain; double-forked into a session of its own; stopped;
// one that ignores every signal that can be ignored; one that waits uninterruptibly for its vfork child (vfork(2)), which
// counts as one more. Prints the number of processes when all are made.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PLAIN, ORPHAN, STOPPED, DEAF, VFORK, KINDS };

static void stay(void) {
  for (;;) pause();
}

static void be(int kind) {
  if (kind == STOPPED) raise(SIGSTOP);
  if (kind == DEAF)
    for (int signal_number = 1; signal_number < 65; signal_number++) signal(signal_number, SIG_IGN);
  if (kind == VFORK && vfork() == 0) stay();
  stay();
}

static void make(int kind) {
  pid_t child = fork();
  if (child < 0) exit(1);
  if (child > 0) {
    if (kind == ORPHAN) waitpid(child, NULL, 0);
    return;
  }
  if (kind != ORPHAN) be(kind);
  setsid();
  pid_t grandchild = fork();
  if (grandchild == 0) stay();
  _exit(grandchild < 0);
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  int count = atoi(argv[1]), made = 1;
  for (int kind = 0; made < count; kind = (kind + 1) % KINDS) {
    make(kind);
    made += kind == VFORK ? 2 : 1;
  }
  printf("%d\n", made);
  fflush(stdout);
  stay();
}
