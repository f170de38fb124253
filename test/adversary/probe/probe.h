// An agent that attacks its sandbox: one function a case, each telling whether the attack worked.
// Every case has victims of its own, so that many cases can run in one session without meeting:
//   outside/<case>/victim   a file of the agent's user, outside the workspace; nothing there may change
//   vault/<case>.id_rsa     a file under a `never` rule; not one byte of it may be read
//   ws/<case>/              the case's own place inside the workspace
#ifndef PROBE_H
#define PROBE_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum result { BLOCKED, SUCCEEDED, UNSUPPORTED };

struct outcome {
  enum result result;
  int err;
  char detail[1024];
};

typedef struct outcome (*case_fn)(void);

struct probe_case {
  const char *name;
  case_fn run;
  unsigned seconds; // 0 = the usual limit
};

extern const struct probe_case file_cases[], link_cases[], process_cases[], exec_cases[], kernel_cases[], socket_cases[],
    network_cases[], race_cases[], takeover_cases[];

// Arguments are key=value on the command line. A missing one ends the probe: no case may pass by running nothing.
const char *arg(const char *key);
long number(const char *key, long otherwise);
const char *case_name(void);

// Paths; each call has a buffer of its own (leaked: the process is short-lived).
char *join(const char *directory, const char *name);
char *outside(const char *name);
char *secret(void);  // vault/<case>.id_rsa
char *scratch(const char *name); // in ws/<case>/
char *inside(const char *name);  // in ws/

struct outcome blocked(int err, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct outcome succeeded(const char *format, ...) __attribute__((format(printf, 1, 2)));
struct outcome unsupported(int err, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct outcome from(long returned);          // <0 blocked with errno, else succeeded
struct outcome read_canary(int fd);          // succeeded when the canary came out of fd
struct outcome write_mark(int fd);           // succeeded when bytes were accepted by fd
int make_file(const char *path, const char *text);
int copy_file(const char *from, const char *to, mode_t mode);
struct outcome run_program(char *const argv[], const char *mark); // succeeded when its output holds mark

#define CANARY "CANARY"
#define MARK "PWNED"
#endif
